package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// eager reads on at once.
func eager(int) error { return nil }

// streamed sends a chat whose answer is streamed and judges all of it. pace is
// called after each event, with their number so far.
func (c *caller) streamed(ctx context.Context, size int, pace func(int) error) error {
	text := c.text(size, 4)
	body := c.user(quote(text), true)
	var said strings.Builder
	var id, end string
	done, err := c.events(ctx, asked{path: pathChat, body: body}, func(data string, n int) error {
		var chunk completion
		if err := json.Unmarshal([]byte(data), &chunk); err != nil || len(chunk.Choices) != 1 {
			return fmt.Errorf("event %d is no chunk with one choice: %w", n, err)
		}
		if id != "" && chunk.ID != id {
			return fmt.Errorf("event %d has another id", n)
		}
		id = chunk.ID
		said.WriteString(chunk.Choices[0].Delta.Content)
		end += chunk.Choices[0].FinishReason
		if !strings.HasPrefix(answerTo(text), said.String()) {
			return same("answer", said.String(), answerTo(text))
		}
		return pace(n)
	})
	switch {
	case err != nil:
		return err
	case !done:
		return errors.New("the stream ended without [DONE]")
	}
	return errors.Join(same("answer", said.String(), answerTo(text)), same("end", end, "stop"), same("id", id, chatID(body)))
}

// events sends a request and hands on the data of each event, and tells whether
// [DONE] was the last.
func (c *caller) events(ctx context.Context, a asked, each func(data string, n int) error) (done bool, err error) {
	resp, err := c.send(ctx, a)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }() // what is left of it is not wanted
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // for the message
		return false, fmt.Errorf("status %d: %s", resp.StatusCode, said)
	}
	in := bufio.NewReaderSize(resp.Body, 4<<10)
	for n := 0; ; {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return done, nil
		}
		if err != nil {
			return done, fmt.Errorf("reading event %d: %w", n+1, err)
		}
		data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: ")
		switch {
		case !ok: // the event's name, or its end
		case done:
			return done, errors.New("there is an event behind [DONE]")
		case data == "[DONE]":
			done = true
		default:
			n++
			if err := each(data, n); err != nil {
				return done, err
			}
		}
	}
}
