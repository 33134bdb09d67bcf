package downstream_test

import (
	"io"
	"net/http"
	"testing"

	"sealcar/downstream"
)

// plainAllocs is what a POST with three headers and a body costs in allocations, with
// the handler's own ones. Most are http.ReadRequest's and the headers'; ours are the
// request's copy with its context, the body and the reply. What is measured is the
// whole loop over a real connection, so a buffer that is no more shared, or another
// goroutine for each request, shows here first: it is why this package exists. Two
// allocations are room for another release of Go.
const plainAllocs = 19 + 2

func TestAPlainRequestMakesLittleGarbage(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations differ under the race detector")
	}
	reply, sniffed := []byte("hello"), []string{"text/plain"}
	room := make([]byte, 64)
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := r.Body.Read(room); err != nil {
				break
			}
		}
		w.Header()["Content-Type"] = sniffed
		_, _ = w.Write(reply)
	})})
	c := dial(t, r.addr)
	request := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello")
	answer := make([]byte, len("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 09:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello"))
	if got := testing.AllocsPerRun(200, func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.Conn, answer); err != nil {
			t.Fatal(err)
		}
	}); got > plainAllocs {
		t.Errorf("%v allocations for a request, want %d at most", got, plainAllocs)
	} else {
		t.Logf("%v allocations for a request", got)
	}
}
