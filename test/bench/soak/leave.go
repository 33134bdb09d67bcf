package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// slowChat reads a large reply in small pieces: what does not fit into the buffers
// in between waits at the other end.
func slowChat(ctx context.Context, c *caller) error {
	text := c.text(c.size(1<<20, 4<<20), 8)
	body := c.user(quote(text), false)
	resp, err := c.send(ctx, asked{path: pathChat, body: body})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	var got []byte
	for piece := make([]byte, 128<<10); ; {
		n, err := io.ReadFull(resp.Body, piece)
		got = append(got, piece[:n]...)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the reply: %w", err)
		}
		if err := c.linger(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %.300s", resp.StatusCode, got)
	}
	return judgeChat(got, body, text)
}

// leaveStream gives up after some events. What came until then was judged as it
// came.
func leaveStream(ctx context.Context, c *caller) error {
	after := 1 + c.random.IntN(30)
	err := c.streamed(ctx, 400, func(n int) error {
		if n >= after {
			return errGaveUp
		}
		return nil
	})
	if errors.Is(err, errGaveUp) {
		return nil
	}
	return err
}

// leaveBody gives up in the middle of its request: there must be no answer but a
// refusal.
func leaveBody(ctx context.Context, c *caller) error {
	body := c.user(quote(c.text(c.size(1<<10, 256<<10), 8)), false)
	resp, err := c.send(ctx, asked{path: pathChat, body: body, half: true})
	if errors.Is(err, errGaveUp) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // its status says all
	if resp.StatusCode == http.StatusOK {
		return errors.New("half a request was answered")
	}
	return nil
}

// leaveAnyTime gives up after a random time, which may be before the first byte of
// the reply or behind its last.
func leaveAnyTime(ctx context.Context, c *caller) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(c.random.Int64N(int64(50*time.Millisecond))), errGaveUp)
	defer cancel()
	err := c.chat(ctx, c.size(64, 256<<10))
	if errors.Is(err, errGaveUp) || errors.Is(context.Cause(ctx), errGaveUp) && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
