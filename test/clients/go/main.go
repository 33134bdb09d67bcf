// Command go has chats with openai-go. Standard input: requests, a JSON array.
//
// The address, the key, proxies and trusted roots come from the environment, as
// in any application that knows nothing of sealcar. It is a module of its own so
// that its requirements stay out of sealcar's.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type answer struct {
	ID      string    `json:"id"`
	Model   string    `json:"model"`
	Choices []choice  `json:"choices"`
	Usage   *[3]int64 `json:"usage"`
	Chunks  int       `json:"chunks"`
}

type choice struct {
	Text         string  `json:"text"`
	FinishReason *string `json:"finish_reason"`
	Tools        []tool  `json:"tools"`
}

type tool struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var requests []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return fmt.Errorf("reading the requests: %w", err)
	}
	client := openai.NewClient(option.WithMaxRetries(0))
	answers := make([]any, 0, len(requests))
	for _, request := range requests {
		answer, err := chat(ctx, client, request)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// chat gives the reply, or a refusal: its HTTP status and the code of its document.
func chat(ctx context.Context, client openai.Client, request []byte) (any, error) {
	var params openai.ChatCompletionNewParams
	var mode struct {
		Stream     bool            `json:"stream"`
		ToolChoice json.RawMessage `json:"tool_choice"`
	}
	if err := errors.Join(json.Unmarshal(request, &params), json.Unmarshal(request, &mode)); err != nil {
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	var named openai.ChatCompletionNamedToolChoiceParam
	if json.Unmarshal(mode.ToolChoice, &named) == nil && named.Function.Name != "" { // the union takes one for allowed_tools
		params.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(named.Function)
	}
	read := (*answer).document
	if mode.Stream {
		read = (*answer).stream
	}
	got := &answer{Choices: []choice{}}
	err := read(got, ctx, client, params)
	if refused, ok := errors.AsType[*openai.Error](err); ok {
		return map[string]any{"error": map[string]any{"status": refused.StatusCode, "code": refused.Code}}, nil
	}
	return got, err
}

func (a *answer) document(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams) error {
	completion, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		return err
	}
	a.head(completion.ID, completion.Model, completion.Usage)
	for _, from := range completion.Choices {
		c := a.choice(from.Index)
		c.add(from.Message.Content, string(from.FinishReason))
		for _, call := range from.Message.ToolCalls {
			c.call(call.Function.Name, call.Function.Arguments)
		}
	}
	return nil
}

func (a *answer) stream(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams) error {
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	defer func() { _ = stream.Close() }() // its errors came through Err
	for stream.Next() {
		chunk := stream.Current()
		a.Chunks++
		a.head(chunk.ID, chunk.Model, chunk.Usage)
		for _, from := range chunk.Choices {
			c := a.choice(from.Index)
			c.add(from.Delta.Content, string(from.FinishReason))
			for _, call := range from.Delta.ToolCalls {
				c.call(call.Function.Name, call.Function.Arguments)
			}
		}
	}
	return stream.Err()
}

func (a *answer) head(id, model string, usage openai.CompletionUsage) {
	a.ID, a.Model = id, model
	if usage.JSON.TotalTokens.Valid() {
		a.Usage = &[3]int64{usage.PromptTokens, usage.CompletionTokens, usage.TotalTokens}
	}
}

func (a *answer) choice(index int64) *choice {
	for int64(len(a.Choices)) <= index {
		a.Choices = append(a.Choices, choice{Tools: []tool{}})
	}
	return &a.Choices[index]
}

func (c *choice) add(text, finishReason string) {
	c.Text += text
	if finishReason != "" {
		c.FinishReason = &finishReason
	}
}

// call takes a tool call, or the next piece of the last one.
func (c *choice) call(name, arguments string) {
	if name != "" {
		c.Tools = append(c.Tools, tool{Name: name})
	}
	if len(c.Tools) > 0 {
		c.Tools[len(c.Tools)-1].Arguments += arguments
	}
}
