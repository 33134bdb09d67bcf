package anthropic_test

import (
	"context"
	"net/http"
	"testing"

	"sealcar/test/dialectrig"
	"sealcar/translate/anthropic"
)

const base, path = dialectrig.Base, "/v1/messages"

func transport(c *dialectrig.Chats) *anthropic.Transport {
	return &anthropic.Transport{Settings: c.Settings()}
}

func post(ctx context.Context, t testing.TB, body string) *http.Request {
	t.Helper()
	return dialectrig.Post(ctx, t, path, body)
}

func answer(t testing.TB, c *dialectrig.Chats, body string) (int, string, error) {
	t.Helper()
	return dialectrig.Answer(t, transport(c), path, body)
}

func names(list []dialectrig.Event) string { return dialectrig.Names(list, "") }
