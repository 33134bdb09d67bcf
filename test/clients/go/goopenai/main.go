// Command goopenai has the chats of the matrix with sashabaranov/go-openai.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/sashabaranov/go-openai"

	"sealcar/test/clients/go/cell"
)

func main() {
	config := openai.DefaultConfig(os.Getenv("OPENAI_API_KEY"))
	config.BaseURL = os.Getenv("APP_BASE_URL")
	client := openai.NewClientWithConfig(config)
	os.Exit(cell.Run(func(ctx context.Context, r cell.Request, seen *cell.Seen) error {
		err := chat(ctx, client, r, seen)
		if refused, ok := errors.AsType[*openai.APIError](err); ok {
			return &cell.Refusal{Status: refused.HTTPStatusCode, Err: err}
		}
		return err
	}))
}

func chat(ctx context.Context, client *openai.Client, r cell.Request, seen *cell.Seen) error {
	var request openai.ChatCompletionRequest
	if err := json.Unmarshal(r.JSON, &request); err != nil {
		return err
	}
	if !r.Stream {
		completion, err := client.CreateChatCompletion(ctx, request)
		if err != nil {
			return err
		}
		return seen.Whole(completion)
	}
	stream, err := client.CreateChatCompletionStream(ctx, request)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // its errors came through Recv
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if enough, err := seen.Chunk(chunk); enough || err != nil {
			return err
		}
	}
}
