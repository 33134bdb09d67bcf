// Command dialects has calls of the Responses API with openai-go. In and out as
// for python/dialects.py; every reply and event has to fit the SDK's own types
// exactly (strict.go).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

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
	respond := newResponses()
	answers := make([]any, 0, len(calls))
	for _, c := range calls {
		got, err := respond(ctx, c)
		status, code := refusal(err)
		switch {
		case status != 0:
			answers = append(answers, map[string]any{"error": map[string]any{"status": status, "code": code}})
		case err != nil:
			return fmt.Errorf("mode %s: %w", c.Mode, err)
		default:
			answers = append(answers, got)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// refusal is the status and the code of the SDK's error for one; 0 for others.
func refusal(err error) (status int, code string) {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return e.StatusCode, e.Code
	}
	return 0, ""
}

// streaming asks for a stream.
func streaming(params json.RawMessage) []byte {
	return append([]byte(`{"stream":true,`), bytes.TrimPrefix(params, []byte("{"))...)
}
