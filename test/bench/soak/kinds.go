package soak

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// kind is something that applications do. ask does it once, and fails if anything
// about it is not as it should be.
type kind struct {
	name   string
	weight int
	ask    func(ctx context.Context, c *caller) error
}

// Kinds are the names of all kinds, as a Tally has them.
func Kinds() []string {
	var names []string
	for _, k := range allKinds() {
		names = append(names, k.name)
	}
	return names
}

func allKinds() []kind {
	return append([]kind{
		{"chat", 30, func(ctx context.Context, c *caller) error { return c.chat(ctx, c.size(64, 16<<10)) }},
		{"chat, large", 3, func(ctx context.Context, c *caller) error { return c.chat(ctx, c.size(64<<10, 1<<20)) }},
		{"chat of many turns", 5, askTurns},
		{"chat with an image", 4, func(ctx context.Context, c *caller) error { return c.picture(ctx, c.size(1<<10, 256<<10)) }},
		{"chat with a large image", 1, func(ctx context.Context, c *caller) error { return c.picture(ctx, c.size(1<<20, 4<<20)) }},
		{"stream", 15, func(ctx context.Context, c *caller) error { return c.stream(ctx, c.size(32, 512)) }},
		{"stream, long", 1, func(ctx context.Context, c *caller) error { return c.stream(ctx, c.size(2<<10, 8<<10)) }},
		{"response", 5, askResponse},
		{"response, streamed", 5, askResponseStream},
		{"message", 5, askMessage},
		{"message, streamed", 5, askMessageStream},
		{"slow reader of a stream", 3, slowStream},
		{"slow reader of a large reply", 1, slowChat},
		{"gives up within a stream", 5, leaveStream},
		{"gives up within its body", 4, leaveBody},
		{"gives up at any time", 4, leaveAnyTime},
		{"refused by the model server", 2, refusedByServer},
		{"refused for its API key", 1, refusedForItsKey},
	}, refusals()...)
}

// user is a chat with one message.
func (c *caller) user(content string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%s}]}`, c.model(), stream, content)
}

// model is one of few names: each has a certificate of its own.
func (c *caller) model() string { return fmt.Sprintf("ep-%d", c.random.IntN(4)) }

func (c *caller) chat(ctx context.Context, size int) error {
	text := c.text(size, 8)
	return c.answered(ctx, c.user(quote(text), false), text)
}

// askTurns is a conversation: only what was said last is answered.
func askTurns(ctx context.Context, c *caller) error {
	var messages strings.Builder
	for range 2 + c.random.IntN(200) {
		fmt.Fprintf(&messages, `{"role":"user","content":%s},{"role":"assistant","content":%s},`, quote(c.text(40, 8)), quote(c.text(40, 8)))
	}
	last := c.text(100, 8)
	body := fmt.Sprintf(`{"model":%q,"messages":[%s{"role":"user","content":%s}]}`, c.model(), messages.String(), quote(last))
	return c.answered(ctx, body, last)
}

// picture sends an image. The echo tells its size; that its bytes are right, the id
// says.
func (c *caller) picture(ctx context.Context, size int) error {
	text := c.text(60, 8)
	content := fmt.Sprintf(`[{"type":"text","text":%s},{"type":"image_url","image_url":{"url":"%s"}}]`, quote(text), c.image(size))
	return c.answered(ctx, c.user(content, false), fmt.Sprintf("%s [image %d bytes image/png]", text, size))
}

// answered sends a chat and judges the answer.
func (c *caller) answered(ctx context.Context, body, text string) error {
	got, err := c.whole(ctx, asked{path: pathChat, body: body}, http.StatusOK)
	if err != nil {
		return err
	}
	return judgeChat(got, body, text)
}

func (c *caller) stream(ctx context.Context, size int) error {
	return c.streamed(ctx, size, eager)
}

func slowStream(ctx context.Context, c *caller) error {
	return c.streamed(ctx, 400, func(int) error { return c.linger(ctx, 40*time.Millisecond) })
}

// linger is what a slow application does between two reads.
func (c *caller) linger(ctx context.Context, most time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(c.random.Int64N(int64(most)))):
		return nil
	}
}

// refusedByServer makes a mistake that is the application's own and that only the
// model server sees: its answer passes as it is.
func refusedByServer(ctx context.Context, c *caller) error {
	body := fmt.Sprintf(`{"model":%q,"n":-1,"messages":[{"role":"user","content":%s}]}`, c.model(), quote(c.text(50, 8)))
	got, err := c.whole(ctx, asked{path: pathChat, body: body}, http.StatusBadRequest)
	if err != nil {
		return err
	}
	return judgeError(got, "invalid_request_error", "invalid_request")
}

// refusedForItsKey has an API key of its own that nobody knows. Who says so depends
// on whether the sidecar has the model's certificate already.
func refusedForItsKey(ctx context.Context, c *caller) error {
	header := map[string]string{"Authorization": fmt.Sprintf("Bearer sk-unknown-%d", c.random.Uint64())}
	got, err := c.whole(ctx, asked{path: pathChat, body: c.user(quote(c.text(50, 8)), false), header: header}, http.StatusUnauthorized)
	if err != nil {
		return err
	}
	if judgeError(got, "sealcar_error", "certificate_unauthorized") == nil {
		return nil
	}
	return judgeError(got, "Unauthorized", "AuthenticationError")
}
