// Command ark has the chats of the matrix with the vendor's SDK.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/volcengine/volcengine-go-sdk/service/arkruntime"
	"github.com/volcengine/volcengine-go-sdk/service/arkruntime/model"

	"sealcar/test/clients/go/cell"
)

func main() {
	client := newClient(os.Getenv("APP_BASE_URL"))
	os.Exit(cell.Run(func(ctx context.Context, r cell.Request, seen *cell.Seen) error {
		err := chat(ctx, client, r, seen)
		if refused, ok := errors.AsType[*model.APIError](err); ok {
			return &cell.Refusal{Status: refused.HTTPStatusCode, Err: err}
		}
		return err
	}))
}

// newClient is a client for an address, or for the SDK's own.
func newClient(baseURL string) *arkruntime.Client {
	if baseURL == "" {
		return arkruntime.NewClientWithApiKey(os.Getenv("ARK_API_KEY"))
	}
	return arkruntime.NewClientWithApiKey(os.Getenv("ARK_API_KEY"), arkruntime.WithBaseUrl(baseURL))
}

func chat(ctx context.Context, client *arkruntime.Client, r cell.Request, seen *cell.Seen) error {
	var request model.CreateChatCompletionRequest
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
