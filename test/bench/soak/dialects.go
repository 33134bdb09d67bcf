package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

func askResponse(ctx context.Context, c *caller) error {
	text := c.text(c.size(64, 16<<10), 8)
	got, err := c.whole(ctx, asked{path: pathResponses, body: c.responseBody(text, false)}, http.StatusOK)
	if err != nil {
		return err
	}
	return judgeResponse(got, text)
}

func (c *caller) responseBody(text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%t,"instructions":%s,"input":[{"role":"user","content":[{"type":"input_text","text":%s}]}]}`,
		c.model(), stream, quote(c.text(30, 8)), quote(text))
}

// apiEvent is an event of the Responses or the Messages API.
type apiEvent struct {
	Type     string
	Delta    json.RawMessage
	Response response
}

func askResponseStream(ctx context.Context, c *caller) error {
	text := c.text(c.size(32, 512), 4)
	var said strings.Builder
	var last apiEvent
	_, err := c.events(ctx, asked{path: pathResponses, body: c.responseBody(text, true)}, func(data string, n int) error {
		last = apiEvent{}
		if err := json.Unmarshal([]byte(data), &last); err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
		if last.Type != "response.output_text.delta" {
			return nil
		}
		var delta string
		err := json.Unmarshal(last.Delta, &delta)
		said.WriteString(delta)
		return err
	})
	if err != nil {
		return err
	}
	if last.Type != "response.completed" {
		return fmt.Errorf("the last event is a %.40q", last.Type)
	}
	return errors.Join(same("sum of deltas", said.String(), answerTo(text)), last.Response.judge(text))
}

func askMessage(ctx context.Context, c *caller) error {
	text := c.text(c.size(64, 16<<10), 8)
	got, err := c.whole(ctx, c.messageTo(text, false), http.StatusOK)
	if err != nil {
		return err
	}
	return judgeMessage(got, text)
}

// messageTo is a request as Anthropic's SDKs send it.
func (c *caller) messageTo(text string, stream bool) asked {
	return asked{
		path: pathMessages,
		body: fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":100000,"system":%s,"messages":[{"role":"user","content":%s}]}`,
			c.model(), stream, quote(c.text(30, 8)), quote(text)),
		header: map[string]string{"X-Api-Key": c.traffic.Key, "Authorization": "", "Anthropic-Version": "2023-06-01"},
	}
}

func askMessageStream(ctx context.Context, c *caller) error {
	text := c.text(c.size(32, 512), 4)
	var said strings.Builder
	var last apiEvent
	_, err := c.events(ctx, c.messageTo(text, true), func(data string, n int) error {
		last = apiEvent{}
		if err := json.Unmarshal([]byte(data), &last); err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
		if last.Type != "content_block_delta" {
			return nil
		}
		var delta struct{ Text string }
		err := json.Unmarshal(last.Delta, &delta)
		said.WriteString(delta.Text)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(same("sum of deltas", said.String(), answerTo(text)), same("last event", last.Type, "message_stop"))
}
