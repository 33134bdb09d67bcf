package responses_test

import (
	"context"
	"net/http"
	"testing"

	"sealcar/test/dialectrig"
	"sealcar/translate/responses"
)

const base, path = dialectrig.Base, "/responses"

func transport(c *dialectrig.Chats) *responses.Transport {
	return &responses.Transport{Settings: c.Settings()}
}

func post(ctx context.Context, t testing.TB, body string) *http.Request {
	t.Helper()
	return dialectrig.Post(ctx, t, path, body)
}

func answer(t testing.TB, c *dialectrig.Chats, body string) (int, string, error) {
	t.Helper()
	return dialectrig.Answer(t, transport(c), path, body)
}

func names(list []dialectrig.Event) string { return dialectrig.Names(list, "response.") }
