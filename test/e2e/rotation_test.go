package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/enclave"
)

// generations keeps a request from living through two rotations: it may be
// tried once more, not twice.
type generations struct {
	mu      sync.Mutex
	current *sync.WaitGroup
	before  *sync.WaitGroup // began before the rotation before
}

func (g *generations) begin() (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current.Add(1)
	return g.current.Done
}

// pass calls rotate once the requests from before the last pass are over, while
// later ones go on.
func (g *generations) pass(rotate func() error) error {
	g.before.Wait()
	err := rotate()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before, g.current = g.current, new(sync.WaitGroup)
	return err
}

func TestT19_RotationUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	const requests, workers, rotations = 1000, 32, 5
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	g := &generations{current: new(sync.WaitGroup), before: new(sync.WaitGroup)}
	var next, done atomic.Int64
	var wg sync.WaitGroup
	due := make(chan struct{}, rotations)
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= requests; i = next.Add(1) {
				end := g.begin()
				stream := i%3 == 0
				got := p.chat(t, p.key, fmt.Sprintf(`"stream":%t,`, stream), fmt.Sprintf("canary-%d of many words", i))
				end()
				if want := fmt.Sprintf("You said: canary-%d of many words", i); got.status != 200 || got.err != nil || got.text() != want {
					t.Errorf("request %d: %d %q, %v", i, got.status, got.body, got.err)
				}
				if n := done.Add(1); n%(requests/(rotations+1)) == 0 && len(due) < cap(due) {
					due <- struct{}{}
				}
			}
		})
	}
	for range rotations {
		<-due
		if err := g.pass(p.enclave.Rotate); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()

	if n := p.calls.count(fetches); n != 1+rotations {
		t.Errorf("%d fetches of the certificate, want one and one for each rotation", n)
	}
	retries := p.calls.count(chats, `"status":400`)
	if retries < rotations || retries > rotations*workers {
		t.Errorf("%d requests were tried twice, want %d to %d", retries, rotations, rotations*workers)
	}
	if n := p.calls.count(chats, `"status":200`); n != requests {
		t.Errorf("the enclave answered %d chats, want each once", n)
	}
	eventually(t, func() bool { return p.metric(t, "sealcar_rotations_total") == retries }, func() string {
		return fmt.Sprintf("sealcar_rotations_total is %d, want %d", p.metric(t, "sealcar_rotations_total"), retries)
	})
	if n := p.log.count(`"retried":true`, `"status":200`); n != retries {
		t.Errorf("%d lines of the log tell of another attempt, want %d", n, retries)
	}
	if text := p.log.String() + p.calls.String(); strings.Contains(text, "canary") || strings.Contains(text, secretWord) {
		t.Error("content is in a log")
	}
}

func TestT19_WithAnOverlapNobodyIsTriedTwice(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{KeyOverlap: time.Hour}, byAPIKey, "")
	for i := range 6 {
		if got := p.chat(t, p.key, "", "hello"); got.text() != "You said: hello" {
			t.Fatalf("chat %d: %d %s", i, got.status, got.body)
		}
		if err := p.enclave.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if n, retried := p.calls.count(fetches), p.log.count(`"retried":true`); n != 1 || retried != 0 {
		t.Errorf("%d fetches and %d retries, want 1 and none", n, retried)
	}
}

// A client whose own requests are wrong must not make us ask for the certificate
// each time, and gets the API's own answer.
func TestT19_AClientsOwnErrorsDriveNoFetches(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	direct := p.chat(t, p.key, `"n":-1,`, "hello")
	if direct.status != 400 || direct.code() != "" || !strings.Contains(direct.body, `"error"`) {
		t.Fatalf("got %d %s, want the backend's refusal", direct.status, direct.body)
	}
	start := time.Now()
	for range 200 {
		if got := p.chat(t, p.key, `"n":-1,`, "hello"); got.status != 400 || got.body != direct.body {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	// The first chat fetches, its refusal asks once more; after that a second, two, four, …
	if n, most := p.calls.count(fetches), 2+int(time.Since(start).Seconds()); n > most {
		t.Errorf("201 refused requests made %d fetches, want at most %d", n, most)
	}
	if n := p.calls.count(chats); n != 201 {
		t.Errorf("201 requests were sent %d times", n)
	}
}

// A client's own refused requests must not hide a rotation from the others.
func TestT19_AClientsOwnErrorsHideNoRotation(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	for i := range 6 {
		for range 3 {
			if got := p.chat(t, p.key, `"n":-1,`, "hello"); got.status != 400 {
				t.Fatalf("got %d %s, want the backend's refusal", got.status, got.body)
			}
		}
		if err := p.enclave.Rotate(); err != nil {
			t.Fatal(err)
		}
		if got := p.chat(t, p.key, "", "hello"); got.text() != "You said: hello" {
			t.Errorf("after rotation %d: %d %s", i, got.status, got.body)
		}
	}
}
