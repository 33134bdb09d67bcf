package faults_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// check wants a whole answer, to the letter, or one that an application sees to
// be none.
func (r *rig) check(t *testing.T, got answered, stream bool) (complete bool) {
	t.Helper()
	switch {
	case got.complete(stream):
		if want := "You said: " + r.secret + " " + prompt; got.text() != want {
			t.Errorf("an answer that looks whole says %q, want %q", got.text(), want)
		}
		return true
	case !got.failed():
		t.Errorf("neither whole nor a failure: %d %q, %v", got.status, got.body, got.err)
	}
	return false
}

// TestT37_CutAtEveryByte cuts the connection after byte k, down and up, from the
// first of the TLS handshake to the last of the reply: as long as something is
// missing the application sees it, and no chat is sent a second time.
func TestT37_CutAtEveryByte(t *testing.T) {
	t.Parallel()
	const step, most = 61, 20_000 // bytes; 61 is prime to the sizes of TLS records
	for _, direction := range []string{"downstream", "upstream"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", direction, stream), func(t *testing.T) {
				t.Parallel()
				r := start(t, byFile, impatient)
				failed := 0
				for k := 0; ; k += step {
					if k > most {
						t.Fatalf("no answer is whole with %d bytes", most)
					}
					r.toxic(t, "limit_data", direction, fmt.Sprintf(`"bytes":%d`, k))
					got := r.chat(t, stream)
					r.network.Toxics.ResetToxics(t.Context())
					if r.check(t, got, stream) {
						break
					}
					failed++
				}
				for id, n := range r.sent() {
					if n > 1 {
						t.Errorf("chat %s was sent %d times", id, n)
					}
				}
				if failed < 10 {
					t.Errorf("%d cuts were seen, want those of the handshake, the headers and the reply", failed)
				}
			})
		}
	}
}

// TestT37_ResetAndRefused breaks connections at once.
func TestT37_ResetAndRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		certificate string
		worsen      func(t *testing.T, r *rig)
		status      int
		code        string
	}{
		"refused, certificate": {byAPIKey, func(_ *testing.T, r *rig) { r.network.Stop() }, 503, "certificate_unavailable"},
		"refused, chat":        {byFile, func(_ *testing.T, r *rig) { r.network.Stop() }, 502, "upstream_unreachable"},
		"reset, certificate":   {byAPIKey, func(t *testing.T, r *rig) { r.toxic(t, "reset_peer", "upstream", `"timeout":0`) }, 503, "certificate_unavailable"},
		"reset, chat":          {byFile, func(t *testing.T, r *rig) { r.toxic(t, "reset_peer", "upstream", `"timeout":0`) }, 502, "upstream_unreachable"},
		"reset after the hello of the enclave": {byFile, func(t *testing.T, r *rig) {
			r.toxic(t, "reset_peer", "downstream", `"timeout":0`)
		}, 502, "upstream_unreachable"},
		"silent in TLS, certificate": {byAPIKey, func(t *testing.T, r *rig) { r.toxic(t, "timeout", "downstream", `"timeout":0`) }, 503, "certificate_unavailable"},
		"silent in TLS, chat":        {byFile, func(t *testing.T, r *rig) { r.toxic(t, "timeout", "downstream", `"timeout":0`) }, 504, "upstream_timeout"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, test.certificate, impatient)
			test.worsen(t, r)
			for _, stream := range []bool{false, true} {
				if got := r.chat(t, stream); got.status != test.status || got.code() != test.code {
					t.Errorf("stream %t: got %d %q, %v; want %d %s", stream, got.status, got.body, got.err, test.status, test.code)
				}
			}
			if n := len(r.sent()); n > 0 {
				t.Errorf("the enclave got %d chats", n)
			}
		})
	}
}

// TestT37_StallBeforeTheHeaders stops what comes back once the connection is
// good: the sidecar's patience for headers ends the wait.
func TestT37_StallBeforeTheHeaders(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{"downstream", "upstream"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", direction, stream), func(t *testing.T) {
				t.Parallel()
				r := start(t, byFile, impatient)
				r.check(t, r.chat(t, stream), stream)
				r.toxic(t, "timeout", direction, `"timeout":0`)
				if got := r.chat(t, stream); got.status != 504 || got.code() != "upstream_timeout" {
					t.Errorf("got %d %q, %v", got.status, got.body, got.err)
				}
			})
		}
	}
}

// TestT37_StallAndCutWithinAStream lets a stream begin, and then stops or resets
// it: an error event, and a broken connection.
func TestT37_StallAndCutWithinAStream(t *testing.T) {
	t.Parallel()
	for _, toxic := range []string{"timeout", "reset_peer"} {
		t.Run(toxic, func(t *testing.T) {
			t.Parallel()
			r := start(t, byFile, generous)
			r.more = strings.Repeat(" more", 3000) // a word each millisecond: the stream is not over at once
			resp, err := r.send(t, true)
			if err != nil {
				t.Fatal(err)
			}
			body := bufio.NewReader(resp.Body)
			if first, err := body.ReadString('\n'); err != nil || !strings.HasPrefix(first, "data: ") {
				t.Fatalf("the stream began with %q, %v", first, err)
			}
			r.toxic(t, toxic, "downstream", `"timeout":0`)
			resp.Body = readCloser{body, resp.Body}
			got := finish(resp)
			if got.err == nil || got.code() != "reply_truncated" {
				t.Errorf("got %q, %v", got.body, got.err)
			}
		})
	}
}

// TestT37_SlicesAndDelaysChangeNothing sends a byte at a time, and late.
func TestT37_SlicesAndDelaysChangeNothing(t *testing.T) {
	t.Parallel()
	for name, worsen := range map[string]func(t *testing.T, r *rig, direction string){
		"slices": func(t *testing.T, r *rig, d string) {
			r.toxic(t, "slicer", d, `"average_size":1,"size_variation":0,"delay":1`)
		},
		"latency": func(t *testing.T, r *rig, d string) { r.toxic(t, "latency", d, `"latency":20,"jitter":20`) },
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", name, stream), func(t *testing.T) {
				t.Parallel()
				r := start(t, byAPIKey, patient)
				worsen(t, r, "upstream")
				worsen(t, r, "downstream")
				if got := r.chat(t, stream); !r.check(t, got, stream) {
					t.Errorf("got %d %q, %v", got.status, got.body, got.err)
				}
			})
		}
	}
}
