// Command goopenai has the chats of the matrix with sashabaranov/go-openai.
package main

import (
	"context"
	"encoding/json"
	"errors"
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
	return cell.Receive(seen, stream)
}
