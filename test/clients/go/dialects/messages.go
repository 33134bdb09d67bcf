package main

import (
	"context"
	"errors"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// newMessages gives calls of the Messages API. Mode helper has the SDK put the
// stream together.
func newMessages() func(context.Context, call) (*called, error) {
	client := anthropic.NewClient(option.WithMaxRetries(0))
	return func(ctx context.Context, c call) (*called, error) {
		if c.Mode != "whole" {
			return streamMessage(ctx, client, c)
		}
		message, err := client.Messages.New(ctx, anthropic.MessageNewParams{}, option.WithRequestBody("application/json", []byte(c.Params)))
		if err != nil {
			return nil, err
		}
		return ofMessage(message), strict(message)
	}
}

func streamMessage(ctx context.Context, client anthropic.Client, c call) (*called, error) {
	stream := client.Messages.NewStreaming(ctx, anthropic.MessageNewParams{}, option.WithRequestBody("application/json", streaming(c.Params)))
	defer func() { _ = stream.Close() }() // its errors came through Err
	var said string
	var whole anthropic.Message
	ended := false
	for stream.Next() {
		event := stream.Current()
		if err := errors.Join(strict(event), whole.Accumulate(event)); err != nil {
			return nil, err
		}
		said += event.Delta.Text
		ended = event.Type == "message_stop"
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if !ended {
		return nil, errors.New("the stream has no message_stop")
	}
	got := ofMessage(&whole)
	if c.Mode == "events" {
		got.Said = &said
	}
	return got, nil
}

func ofMessage(m *anthropic.Message) *called {
	got := &called{ID: m.ID, Model: m.Model, End: string(m.StopReason), Tools: []tool{}}
	for _, block := range m.Content {
		switch block.Type {
		case "text":
			got.Text += block.Text
		case "tool_use":
			got.Tools = append(got.Tools, tool{block.Name, string(block.Input)})
		}
	}
	got.Usage = &[3]int64{m.Usage.InputTokens, m.Usage.OutputTokens, m.Usage.InputTokens + m.Usage.OutputTokens}
	return got
}
