// Package cell is what every program of the matrix shares; see
// python/matrix/cell.py for what comes in and what goes out.
package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Chat has one chat.
type Chat func(ctx context.Context, r Request, seen *Seen) error

// Request is a chat completion's, in the JSON of OpenAI's API.
type Request struct {
	JSON   []byte
	Stream bool
}

// Refusal is an error with its HTTP status.
type Refusal struct {
	Status int
	Err    error
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Run has one chat a scenario. It returns the exit status.
func Run(chat Chat) int {
	var tasks []struct {
		Request   json.RawMessage `json:"request"`
		StopAfter int             `json:"stop_after"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&tasks); err != nil {
		fmt.Fprintln(os.Stderr, "reading the scenarios:", err)
		return 1
	}
	answers := make([]any, 0, len(tasks))
	for _, t := range tasks {
		answers = append(answers, answer(chat, t.Request, t.StopAfter))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// answer is what an application saw, or its error.
func answer(chat Chat, request []byte, stopAfter int) any {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mode struct{ Stream bool }
	err := json.Unmarshal(request, &mode)
	seen := &Seen{stopAfter: stopAfter, Choices: []Choice{}, Events: []string{}}
	if err == nil {
		err = chat(ctx, Request{request, mode.Stream}, seen)
	}
	if err == nil {
		return seen
	}
	status := 0
	if r, ok := errors.AsType[*Refusal](err); ok {
		status = r.Status
	}
	return map[string]any{"error": map[string]any{"status": status, "message": err.Error()}}
}

// Seen is what an application saw of one chat.
type Seen struct {
	Choices []Choice `json:"choices"`
	Usage   []int    `json:"usage"`
	Events  []string `json:"events"`
	Model   string   `json:"model"`

	stopAfter int
}

// Choice is one of the answers.
type Choice struct {
	Text   string `json:"text"`
	Finish string `json:"finish"`
	Tools  []tool `json:"tools"`
}

type tool struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Stream is a stream of chunks as the SDKs have it.
type Stream[C any] interface {
	Recv() (C, error)
	Close() error
}

// Receive takes a stream of chunks of an SDK's type to its end, or until the
// application has had enough of it, and closes it.
func Receive[C any](seen *Seen, stream Stream[C]) error {
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

// document is a completion or a chunk, as an SDK's own types give it back.
type document struct {
	Model   string
	Choices []struct {
		Index          int
		Message, Delta struct {
			Content   string
			ToolCalls []struct{ Function tool } `json:"tool_calls"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

// Whole takes a completion of an SDK's type.
func (s *Seen) Whole(completion any) error {
	_, err := s.take(completion)
	return err
}

// Chunk takes a chunk of an SDK's type, and tells whether the application has
// had enough of the stream.
func (s *Seen) Chunk(chunk any) (enough bool, err error) {
	text, err := s.take(chunk)
	s.Events = append(s.Events, text)
	return len(s.Events) == s.stopAfter, err
}

func (s *Seen) take(typed any) (string, error) {
	text, err := json.Marshal(typed)
	if err != nil {
		return "", err
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return "", err
	}
	if s.Model == "" {
		s.Model = d.Model
	}
	if d.Model != s.Model {
		return "", fmt.Errorf("the model is %s and %s", s.Model, d.Model)
	}
	if d.Usage.Total > 0 {
		s.Usage = []int{d.Usage.Prompt, d.Usage.Completion, d.Usage.Total}
	}
	var said []string
	for _, from := range d.Choices {
		for len(s.Choices) <= from.Index {
			s.Choices = append(s.Choices, Choice{Tools: []tool{}})
		}
		c := &s.Choices[from.Index]
		c.Text += from.Message.Content + from.Delta.Content
		if from.FinishReason != "" {
			c.Finish = from.FinishReason
		}
		for _, call := range append(from.Message.ToolCalls, from.Delta.ToolCalls...) {
			c.call(call.Function)
		}
		said = append(said, strconv.Itoa(from.Index)+":"+from.Delta.Content)
	}
	return strings.Join(said, " "), nil
}

// call takes a call, or the next piece of the last one.
func (c *Choice) call(t tool) {
	if t.Name != "" || len(c.Tools) == 0 {
		c.Tools = append(c.Tools, tool{Name: t.Name})
	}
	c.Tools[len(c.Tools)-1].Arguments += t.Arguments
}
