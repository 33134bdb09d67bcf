// Command openai has the chats of the matrix with openai-go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/openai/openai-go/v3"

	"sealcar/test/clients/go/cell"
)

func main() {
	client := openai.NewClient()
	os.Exit(cell.Run(func(ctx context.Context, r cell.Request, seen *cell.Seen) error {
		err := chat(ctx, client, r, seen)
		if refused, ok := errors.AsType[*openai.Error](err); ok {
			return &cell.Refusal{Status: refused.StatusCode, Err: errors.New(refused.Message)} // Error leaves it out
		}
		return err
	}))
}

func chat(ctx context.Context, client openai.Client, r cell.Request, seen *cell.Seen) error {
	var params openai.ChatCompletionNewParams
	if err := json.Unmarshal(r.JSON, &params); err != nil {
		return err
	}
	if !r.Stream {
		completion, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			return err
		}
		return seen.Whole(completion)
	}
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	defer func() { _ = stream.Close() }() // its errors came through Err
	for stream.Next() {
		if enough, err := seen.Chunk(stream.Current()); enough || err != nil {
			return err
		}
	}
	return stream.Err()
}
