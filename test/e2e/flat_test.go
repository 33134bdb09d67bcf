package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// T78 with as many requests as a test can wait for: what a request leaves open
// shows after a few hundred.
func TestT78_RequestsLeaveNothingOpen(t *testing.T) {
	t.Parallel()
	e := start(t, "", "")
	client := e.client(t)
	for i := range 3000 {
		body := []string{chat(false, "hello"), chat(true, "hello"), "{"}[i%3]
		resp, err := client.Do(e.request(t, body))
		if err != nil {
			t.Fatal(err)
		}
		if i%5 > 0 { // else the client goes before the end
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		_ = resp.Body.Close()
	}
	client.CloseIdleConnections()
	descriptors := func() int {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.sidecar.PID()))
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	eventually(t, func() bool {
		_, metrics := e.ask(t, "/metrics")
		return strings.Contains(metrics, "\nsealcar_open_connections 0\n") && strings.Contains(metrics, "\nsealcar_open_requests 0\n") && strings.Contains(metrics, "\nsealcar_open_streams 0\n")
	}, func() string {
		_, metrics := e.ask(t, "/metrics")
		return "something is still open:\n" + metrics
	})
	const idle = 40 // listeners, standard streams, the kernel's for waiting, kept connections upstream, probes
	if n := descriptors(); n > idle {
		t.Errorf("%d descriptors are open after 3000 requests", n)
	}
	const resting = 60 // goroutines; each kept connection upstream has two
	_, metrics := e.ask(t, "/metrics")
	_, rest, _ := strings.Cut(metrics, "\ngo_goroutines ")
	var goroutines int
	if _, err := fmt.Sscan(rest, &goroutines); err != nil || goroutines > resting {
		t.Errorf("%d goroutines are there after 3000 requests (%v)", goroutines, err)
	}
	t.Logf("%d descriptors and %d goroutines are left", descriptors(), goroutines)
	if status, _ := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Error(status)
	}
}
