package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sealcar/crypto/ark"
)

const (
	probeTimeout = time.Minute // for a few words, by a model that may have to be loaded first
	maxReply     = 1 << 20     // bytes of the probe's reply that are looked at
	maxShown     = 300         // bytes of a refusal that are shown
)

// chat sends one sealed chat, if it was asked for.
func (e *examination) chat(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	switch {
	case !e.options.Probe:
		return skipped("Add --probe to send a sealed chat; the provider may charge for it.", "not asked for")
	case e.options.Model == "" || e.options.Credential == "" && e.endpoint.Credentials == nil:
		return bad("Give --model and --api-key-file.", "a probe was asked for, but there is nothing to ask with")
	}
	key, err := e.key(ctx)
	if err != nil {
		return bad("Correct the route's credentials.", "no API key: %v", err)
	}
	req, err := e.probe(ctx, key)
	if err != nil {
		return bad("Check --model.", "%v", err)
	}
	resp, err := e.endpoint.Transport.RoundTrip(req)
	if err != nil {
		return bad("docs/errors.md has what each code means.", "%v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return bad("Try again.", "the reply broke off: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return bad("The model server's own message says more.", "the upstream answered %s: %s", resp.Status, shown(text, key))
	}
	return good("a sealed chat was answered, and its reply opened")
}

// key is the API key that the probe goes out with, as the route has it.
func (e *examination) key(ctx context.Context) (string, error) {
	own := e.endpoint.Credentials
	if own == nil || e.options.Credential != "" && !e.route.Credentials.Replace {
		return e.options.Credential, nil
	}
	return own.Credential(ctx, e.options.Model)
}

func (e *examination) probe(ctx context.Context, key string) (*http.Request, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, err := json.Marshal(struct {
		Model     string    `json:"model"`
		MaxTokens int       `json:"max_tokens"`
		Messages  []message `json:"messages"`
	}{e.options.Model, 8, []message{{"user", "Say yes."}}})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.origin.JoinPath(ark.BasePath, "chat/completions").String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	return req, nil
}

// shown is the beginning of what the upstream said, which may repeat the key.
func shown(text []byte, key string) string {
	said := strings.ReplaceAll(string(text), key, "[API key]")
	return fmt.Sprintf("%q", said[:min(len(said), maxShown)])
}
