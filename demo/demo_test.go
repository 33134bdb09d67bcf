package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/demo"
	"sealcar/proxy"
	"sealcar/sidecar"
)

func newSidecar(c *config.Config) (*proxy.Proxy, error) {
	return sidecar.New(sidecar.Options{Config: c, Version: "test"})
}

func TestEachChatIsSeenFromFourSides(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Out: &out, JSON: true, Sidecar: newSidecar}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Word  string
		Chats []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Chats) != 2 || got.Word == "" {
		t.Fatalf("%d chats about %q", len(got.Chats), got.Word)
	}
	for _, chat := range got.Chats {
		for side, clear := range map[string]bool{"app_sent": true, "wire_request": false, "opened": true, "wire_reply": false, "app_received": true} {
			text, _ := chat[side].(string)
			if text == "" || strings.Contains(text, got.Word) != clear {
				t.Errorf("%v, %s: the word is there: %t, want %t", chat["title"], side, !clear, clear)
			}
		}
	}
}

func TestPanelsFitTheTerminal(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 150} {
		var out strings.Builder
		if err := demo.Run(t.Context(), demo.Options{Out: &out, Width: width, Sidecar: newSidecar}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width && !strings.HasPrefix(line, `"canary-`) {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
	}
}

func TestBothEndsEndWithTheDemo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var out bytes.Buffer
	served := false
	err := demo.Run(t.Context(), demo.Options{Out: &out, Sidecar: newSidecar, Serve: func(_ context.Context, p *proxy.Proxy, _ *config.Config, key string) error {
		served = p.Addr() != nil && key != ""
		return broken
	}})
	if !errors.Is(err, broken) || !served {
		t.Errorf("%v, served %t", err, served)
	}
	err = demo.Run(t.Context(), demo.Options{Out: &out, Sidecar: func(*config.Config) (*proxy.Proxy, error) { return nil, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("without a sidecar: %v", err)
	}
}
