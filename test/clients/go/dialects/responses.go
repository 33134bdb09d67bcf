package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

// newResponses gives calls of the Responses API. Mode helper has the SDK's
// accumulator put the stream together.
func newResponses() func(context.Context, call) (*called, error) {
	client := openai.NewClient(option.WithMaxRetries(0))
	return func(ctx context.Context, c call) (*called, error) {
		if c.Mode != "whole" {
			return streamResponse(ctx, client, c)
		}
		response, err := client.Responses.New(ctx, responses.ResponseNewParams{}, option.WithRequestBody("application/json", []byte(c.Params)))
		if err != nil {
			return nil, err
		}
		return ofResponse(response), strict(response)
	}
}

func streamResponse(ctx context.Context, client openai.Client, c call) (*called, error) {
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{}, option.WithRequestBody("application/json", streaming(c.Params)))
	defer func() { _ = stream.Close() }() // its errors came through Err
	var said string
	var whole responses.ResponseAccumulator
	var final *responses.Response
	for number := int64(0); stream.Next(); number++ {
		event := stream.Current()
		if event.SequenceNumber != number {
			return nil, fmt.Errorf("event %d has the number %d", number, event.SequenceNumber)
		}
		if err := errors.Join(strict(event), accumulate(&whole, event)); err != nil {
			return nil, err
		}
		switch event.Type {
		case "response.output_text.delta":
			said += event.Delta
		case "response.completed", "response.incomplete":
			final = &event.Response
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if final == nil {
		return nil, errors.New("the stream has no end")
	}
	if c.Mode == "helper" {
		var err error
		if final, err = whole.ReconstructedResponse(); err != nil {
			return nil, err
		}
		return ofResponse(final), nil
	}
	got := ofResponse(final)
	got.Said = &said
	return got, nil
}

// accumulate gives the SDK's accumulator an event, which has another type there.
func accumulate(whole *responses.ResponseAccumulator, event responses.ResponseStreamEventUnion) error {
	var same responses.ResponsesServerEventUnion
	if err := json.Unmarshal([]byte(event.RawJSON()), &same); err != nil {
		return err
	}
	return whole.AddEvent(same)
}

func ofResponse(r *responses.Response) *called {
	got := &called{ID: r.ID, Model: r.Model, End: string(r.Status), Text: r.OutputText(), Tools: []tool{}}
	for _, item := range r.Output {
		if item.Type == "function_call" {
			function := item.AsFunctionCall()
			got.Tools = append(got.Tools, tool{function.Name, function.Arguments})
		}
	}
	if r.JSON.Usage.Valid() {
		got.Usage = &[3]int64{r.Usage.InputTokens, r.Usage.OutputTokens, r.Usage.TotalTokens}
	}
	return got
}
