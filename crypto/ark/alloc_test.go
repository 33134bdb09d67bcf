package ark_test

import (
	"crypto/ecdh"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// What a chat costs is guarded by its allocations, which are the same on every
// machine. None of these tests is parallel: allocations are counted for the whole
// process.

func skipIfCountsDiffer(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("allocations differ under the race detector")
	}
}

func TestAllocations_OfAChatWhoseKeysWereMadeAhead(t *testing.T) {
	skipIfCountsDiffer(t)
	peer, sessions := newKey(t, ecdh.P256()).PublicKey(), ark.NewSessions(ark.SessionsConfig{})
	defer sessions.Close()
	message := make([]byte, chatBytes)
	sealed, opened := make([]byte, 0, ark.SealRoom(chatBytes)), make([]byte, 0, 2*chatBytes)
	left := stockUp(t, sessions, peer)
	allocs := testing.AllocsPerRun(left-1, func() {
		s := newSession(t, sessions, peer)
		if _, err := s.Open(opened, s.Seal(sealed, message)); err != nil {
			t.Error(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// The output buffer is all that a large content takes, once.
func TestAllocations_OfLargeChatsAreTheOutputAlone(t *testing.T) {
	skipIfCountsDiffer(t)
	client, _ := newPair(t)
	for name, text := range map[string]string{
		"1 MiB in turns": turns(1000, 1000), "1 MiB in one": turns(1, 1<<20), "4 MiB image": imageChat(4 << 20),
	} {
		body := []byte(text)
		sealed, err := ark.SealChat(client, body)
		if err != nil {
			t.Fatal(err)
		}
		const runs = 5
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := ark.SealChat(client, body); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if taken := (after.TotalAlloc - before.TotalAlloc) / runs; taken > uint64(len(sealed))*115/100 {
			t.Errorf("%s: %d bytes of memory for an output of %d", name, taken, len(sealed))
		}
	}
}

func TestAllocations_DoNotGrowWithTurns(t *testing.T) {
	skipIfCountsDiffer(t)
	client, _ := newPair(t)
	count := func(n int) float64 {
		body := []byte(turns(n, 100))
		return testing.AllocsPerRun(5, func() {
			if _, err := ark.SealChat(client, body); err != nil {
				t.Error(err)
			}
		})
	}
	if few, many := count(1000), count(4000); many > few+5 { // lists that grow by doubling
		t.Errorf("%v allocations for 1,000 turns and %v for 4,000", few, many)
	}
}

// A chat through the whole Transport, up to the answer: its own headers and
// bodies, the reading of an error document, and nothing that grows unseen.
func TestAllocations_OfTheTransport(t *testing.T) {
	skipIfCountsDiffer(t)
	const most = 48
	e := newEndpoint(t)
	sessions := ark.NewSessions(ark.SessionsConfig{})
	defer sessions.Close()
	down := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {"application/json"}}}
	transport := &ark.Transport{Certificates: e, Sessions: sessions, Base: roundTripperFunc(func(*http.Request) (*http.Response, error) {
		again := *down
		again.Body = io.NopCloser(strings.NewReader(`{"error":{}}`))
		return &again, nil
	})}
	left := stockUp(t, sessions, e.cert.PublicKey)
	req, _ := post(t, "https://upstream.example", chatPath, secretChat)
	allocs := testing.AllocsPerRun(left-1, func() {
		req.Body = io.NopCloser(strings.NewReader(secretChat))
		if status, _, err := roundTrip(transport, req); err != nil || status != http.StatusServiceUnavailable {
			t.Error(status, err)
		}
	})
	if allocs > most {
		t.Errorf("%v allocations, want at most %d", allocs, most)
	}
}

func TestAllocations_OfAnEvent(t *testing.T) {
	skipIfCountsDiffer(t)
	const few, many = 10, 1010
	e := newEndpoint(t)
	count := func(events int) float64 {
		transport := &ark.Transport{Base: e.answering(t, events), Certificates: e}
		return testing.AllocsPerRun(10, func() {
			req, _ := post(t, "https://upstream.example", chatPath, `{"model":"m","stream":true,"messages":[]}`)
			if _, _, err := roundTrip(transport, req); err != nil {
				t.Error(err)
			}
		})
	}
	if each := (count(many) - count(few)) / (many - few); each > 0.1 {
		t.Errorf("%v allocations for each event", each)
	}
}

// An upstream that announces much and sends little takes little.
func TestAllocations_DoNotFollowWhatAnUpstreamAnnounces(t *testing.T) {
	skipIfCountsDiffer(t)
	e := newEndpoint(t)
	transport := &ark.Transport{Certificates: e, Base: roundTripperFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			ContentLength: 60 << 20, Body: io.NopCloser(strings.NewReader(noAnswer)),
		}, nil
	})}
	req, _ := post(t, "https://upstream.example", chatPath, secretChat)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := roundTrip(transport, req); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 2<<20 {
		t.Errorf("%d bytes of memory for a reply of a few", taken)
	}
}
