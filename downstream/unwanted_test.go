package downstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func reads() map[string]func(control, *http.Request) {
	room := func() []byte { return make([]byte, 3) }
	return map[string]func(control, *http.Request){
		"unread":    func(c control, _ *http.Request) { _ = c.write("x") },
		"half read": func(c control, r *http.Request) { _, _ = io.ReadFull(r.Body, room()); _ = c.write("x") },
		"closed":    func(c control, r *http.Request) { _ = r.Body.Close(); _ = c.write("x") },
		"closed, then read": func(c control, r *http.Request) {
			_ = r.Body.Close()
			_, err := r.Body.Read(room())
			_ = c.write(fmt.Sprint(err))
		},
		"half read and closed": func(_ control, r *http.Request) { _, _ = io.ReadFull(r.Body, room()); _ = r.Body.Close() },
		"read after its end": func(c control, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			n, err := r.Body.Read(room())
			_ = c.write(fmt.Sprint(n, err))
		},
		"read late": func(c control, r *http.Request) { b, err := io.ReadAll(r.Body); _ = c.write(fmt.Sprint(len(b), err)) },
		"read too late": func(c control, r *http.Request) {
			_ = c.SetReadDeadline(time.Unix(1, 0))
			_, err := io.Copy(io.Discard, r.Body)
			_ = c.write(fmt.Sprint(errors.Is(err, os.ErrDeadlineExceeded)))
		},
		"echoed": func(c control, r *http.Request) { b, _ := io.ReadAll(r.Body); _, _ = io.Copy(c, bytes.NewReader(b)) },
	}
}

func TestBodiesThatAreNotWantedDoNoHarmAsWithNetHTTP(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"small": "hello there", "of two reads": strings.Repeat("b", 6<<10), "of 256 KiB": strings.Repeat("b", 256<<10-1), "of a MiB": strings.Repeat("b", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repliesAreThoseOfNetHTTP(t, post(body), reads())
		})
	}
}

// A client that ends in the middle of a body that the handler reads.
func TestBodiesThatEndEarlyAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	e := exchange{send: one("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"), handler: handled(func(c control, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		_ = c.write(fmt.Sprint(err))
	})}
	got, _ := e.byDownstream(t)
	compare(t, got, e.byNetHTTP(t))
}
