// Command dialects has calls of the Responses API with openai-go and of the Messages
// API with anthropic-sdk-go. In and out as for python/dialects.py; every reply and
// event has to fit the SDKs' own types exactly (strict.go).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
)

// called is what an application has of one call.
type called struct {
	ID    string    `json:"id"`
	Model string    `json:"model"`
	End   string    `json:"end"`
	Said  *string   `json:"said"`
	Text  string    `json:"text"`
	Tools []tool    `json:"tools"`
	Usage *[3]int64 `json:"usage"`
}

type tool struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type call struct {
	API    string          `json:"api"` // responses, messages
	Mode   string          `json:"mode"`
	Params json.RawMessage `json:"params"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		return fmt.Errorf("reading the calls: %w", err)
	}
	apis := map[string]func(context.Context, call) (*called, error){"responses": newResponses(), "messages": newMessages()}
	answers := make([]any, 0, len(calls))
	for _, c := range calls {
		got, err := apis[c.API](ctx, c)
		refused := refusal(err)
		switch {
		case refused != nil:
			answers = append(answers, map[string]any{"error": refused})
		case err != nil:
			return fmt.Errorf("%s, mode %s: %w", c.API, c.Mode, err)
		default:
			answers = append(answers, got)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// refused is what an application has of an SDK's error.
type refused struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

// refusal is the refusal that an error tells of; nil is none.
func refusal(err error) *refused {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return &refused{e.StatusCode, e.Code, e.Response.Header.Get("X-Request-Id")}
	}
	if e, ok := errors.AsType[*anthropic.Error](err); ok {
		var doc struct{ Error struct{ Code string } }
		_ = json.Unmarshal([]byte(e.RawJSON()), &doc) // what is no document has no code
		return &refused{e.StatusCode, doc.Error.Code, e.RequestID}
	}
	return nil
}

// streaming asks for a stream.
func streaming(params json.RawMessage) []byte {
	return append([]byte(`{"stream":true,`), bytes.TrimPrefix(params, []byte("{"))...)
}
