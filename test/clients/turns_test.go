package clients_test

import (
	"maps"
	"slices"
	"testing"
)

// TestConversationsOfTheVercelAISDK has the SDK go on with what it got, by its
// defaults: on the Responses API it refers to earlier answers by their ids. The
// same conversation as chats in clear gives the same.
func TestConversationsOfTheVercelAISDK(t *testing.T) {
	t.Parallel()
	type turn struct {
		Text  string `json:"text"`
		Input int    `json:"input"`
	}
	command := nodeProgram("node24", "../turns")(t)
	inClear := startEnclave(t, "--accept-plaintext").direct(t)
	inClear["VERCEL_PROVIDER"] = "chat"
	var want []turn
	output(t, command, inClear, nil, &want)
	side := startSidecar(t, startEnclave(t))
	env := maps.Clone(side.doors[2].env)
	env["VERCEL_PROVIDER"] = "responses"
	var got []turn
	output(t, command, env, nil, &got)
	if len(want) != 4 || !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
