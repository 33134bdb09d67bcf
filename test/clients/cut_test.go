package clients_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestT28_CutStreamIsAnError cuts the connection to the enclave in the middle of
// a stream: no application may take what it got for the whole.
func TestT28_CutStreamIsAnError(t *testing.T) {
	t.Parallel()
	enclave := startEnclave(t)
	whole := startSidecar(t, enclave)
	enclave.addr = cutAfter(t, enclave.addr, 64<<10)
	cut := startSidecar(t, enclave)
	long := []json.RawMessage{marshal(t, map[string]any{
		"model":    "ep-20250101000000-abcde",
		"stream":   true,
		"messages": []any{map[string]any{"role": "user", "content": strings.Repeat("word ", 2000)}},
	})}
	apps := append(programs(), program{name: "vendor, sealing itself", command: vendorChat})
	for _, p := range apps {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			command := p.command(t)
			var complete []answer
			output(t, command, with(whole.doors[0].env, "VENDOR_ENCRYPTION", "on"), long, &complete)
			if n := complete[0].Chunks; n < 2000 {
				t.Fatalf("the stream that is not cut has %d chunks, want one a word", n)
			}
			for _, d := range cut.doors {
				stdout, stderr, err := execute(t, command, with(d.env, "VENDOR_ENCRYPTION", "on"), long)
				// Where requests share an HTTP/2 connection, one's cut may come before
				// another's first byte: then the program has a status to report.
				if err == nil && !reported(t, stdout) {
					t.Errorf("%s: the program took a cut stream for a whole one and printed %.300s…\n%s", d.name, stdout, stderr)
				}
			}
		})
	}
}

// reported tells whether a program that ended well printed an error for its chat.
func reported(t *testing.T, stdout []byte) bool {
	t.Helper()
	var got []answer
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatal(err)
	}
	return len(got) == 1 && got[0].Error != nil && got[0].Error.Status == 502
}

// cutAfter gives the address of a relay to addr that breaks each connection
// after it has carried limit bytes back.
func cutAfter(t *testing.T, addr string, limit int64) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { relay(ctx, near, addr, limit) })
		}
	})
	return ln.Addr().String()
}

func relay(ctx context.Context, near net.Conn, addr string, limit int64) {
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		_ = near.Close()
		return
	}
	end := func() { _, _ = near.Close(), far.Close() }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(far, near) // either end may go first
		end()
	})
	_, _ = io.CopyN(near, far, limit)
	end()
	there.Wait()
}
