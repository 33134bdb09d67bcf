package downstream_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// control is the handler's grip on a reply, the same for both servers: what fails is
// written to the client where it can be.
type control struct {
	http.ResponseWriter
	*http.ResponseController
}

func (c control) write(s string) error {
	_, err := io.WriteString(c.ResponseWriter, s)
	return err
}

func (c control) set(name, value string) { c.Header().Set(name, value) }

// handled makes a handler of a table's entry.
func handled(h func(control, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == "/probe" {
			readAll(w, r)
			return
		}
		h(control{w, http.NewResponseController(w)}, r)
	}
}

var (
	large = strings.Repeat("large", 20<<10)
	old   = time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC).Format(http.TimeFormat)
)

func lengths() map[string]func(control, *http.Request) {
	return map[string]func(control, *http.Request){
		"nothing":            func(control, *http.Request) {},
		"a little":           func(c control, _ *http.Request) { _ = c.write("a little") },
		"2048 bytes":         func(c control, _ *http.Request) { _ = c.write(large[:2048]) },
		"2049 bytes":         func(c control, _ *http.Request) { _ = c.write(large[:2049]) },
		"2049 bytes in two":  func(c control, _ *http.Request) { _ = c.write(large[:2048]); _ = c.write("x") },
		"much":               func(c control, _ *http.Request) { _ = c.write(large) },
		"flushed":            func(c control, _ *http.Request) { _ = c.write("a"); _ = c.Flush(); _ = c.write("b") },
		"flushed at once":    func(c control, _ *http.Request) { _ = c.Flush() },
		"length":             func(c control, _ *http.Request) { c.set("Content-Length", "5"); _ = c.write("hello") },
		"length, pieces":     func(c control, _ *http.Request) { c.set("Content-Length", "5"); _ = c.write("he"); _ = c.write("llo") },
		"length, flushed":    func(c control, _ *http.Request) { c.set("Content-Length", "5"); _ = c.Flush(); _ = c.write("hello") },
		"length 0":           func(c control, _ *http.Request) { c.set("Content-Length", "0") },
		"length too long":    func(c control, _ *http.Request) { c.set("Content-Length", "9"); _ = c.write("hello") },
		"length and nothing": func(c control, _ *http.Request) { c.set("Content-Length", "9") },
		"length too short":   func(c control, _ *http.Request) { c.set("Content-Length", "3"); _ = c.write("hello") },
		"length, then more": func(c control, _ *http.Request) {
			c.set("Content-Length", "5")
			_ = c.write("hello")
			_ = c.write("more")
		},
		"length of no number": func(c control, _ *http.Request) { c.set("Content-Length", "x"); _ = c.write("hello") },
		"length below 0":      func(c control, _ *http.Request) { c.set("Content-Length", "-1"); _ = c.write("hello") },
		"length set late": func(c control, _ *http.Request) {
			c.WriteHeader(200)
			c.set("Content-Length", "3")
			_ = c.write("hello")
		},
		"coding set": func(c control, _ *http.Request) { c.set("Transfer-Encoding", "chunked"); _ = c.write("hello") },
	}
}

func TestLengthsOfRepliesAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	repliesAreThoseOfNetHTTP(t, get, lengths())
}

func statuses() map[string]func(control, *http.Request) {
	return map[string]func(control, *http.Request){
		"404": func(c control, _ *http.Request) { c.WriteHeader(404); _ = c.write("no") },
		"999": func(c control, _ *http.Request) { c.WriteHeader(999) },
		"204": func(c control, _ *http.Request) { c.WriteHeader(204) },
		"204 with a body": func(c control, _ *http.Request) {
			c.set("Content-Length", "5")
			c.WriteHeader(204)
			_ = c.write("hello")
		},
		"304": func(c control, _ *http.Request) { c.set("Etag", "x"); c.WriteHeader(304); _ = c.write("hello") },
		"304 and a length": func(c control, _ *http.Request) {
			c.set("Content-Length", "5")
			c.WriteHeader(304)
		},
		"twice":            func(c control, _ *http.Request) { c.WriteHeader(201); c.WriteHeader(500) },
		"twice, then none": func(c control, _ *http.Request) { c.WriteHeader(201); c.WriteHeader(0); _ = c.write("a") },
		"after a write":    func(c control, _ *http.Request) { _ = c.write("a"); c.WriteHeader(500) },
		"none of HTTP's":   func(c control, _ *http.Request) { c.WriteHeader(99) },
		"none above":       func(c control, _ *http.Request) { c.WriteHeader(1000) },
		"100":              func(c control, _ *http.Request) { c.WriteHeader(100); _ = c.write("a") },
		"103":              func(c control, _ *http.Request) { c.set("Link", "x"); c.WriteHeader(103); _ = c.write("a") },
		"103 twice":        func(c control, _ *http.Request) { c.WriteHeader(103); c.WriteHeader(103); c.WriteHeader(204) },
		"103 with a length": func(c control, _ *http.Request) {
			c.set("Content-Length", "5")
			c.WriteHeader(103)
			_ = c.write("hello")
		},
		"103 after 200":   func(c control, _ *http.Request) { c.WriteHeader(200); c.WriteHeader(103) },
		"103 and no more": func(c control, _ *http.Request) { c.WriteHeader(103) },
	}
}

func TestStatusesAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	repliesAreThoseOfNetHTTP(t, get, statuses())
}

func fields() map[string]func(control, *http.Request) {
	return map[string]func(control, *http.Request){
		"two lines":          func(c control, _ *http.Request) { c.Header()["X"] = []string{"a", "b"} },
		"a line break in it": func(c control, _ *http.Request) { c.set("X", "a\r\nY: b\nc\rd") },
		"a bad name": func(c control, _ *http.Request) {
			c.Header()["X Y"] = []string{"a"}
			c.Header()["X\r\nZ"] = []string{"b"}
		},
		"a small name":      func(c control, _ *http.Request) { c.Header()["x-y"] = []string{"a"} },
		"set late":          func(c control, _ *http.Request) { c.WriteHeader(200); c.set("X", "a"); _ = c.write("a") },
		"set after a write": func(c control, _ *http.Request) { _ = c.write("a"); c.set("X", "a") },
		"close":             func(c control, _ *http.Request) { c.set("Connection", "close"); _ = c.write("a") },
		"keep-alive":        func(c control, _ *http.Request) { c.set("Connection", "keep-alive"); _ = c.write("a") },
		"a date":            func(c control, _ *http.Request) { c.set("Date", old) },
		"a date, late":      func(c control, _ *http.Request) { c.WriteHeader(200); c.set("Date", old) },
		"no date, late":     func(c control, _ *http.Request) { c.set("Date", old); c.WriteHeader(200); c.Header().Del("Date") },
		"no date wanted":    func(c control, _ *http.Request) { c.Header()["Date"] = nil },
		"a type":            func(c control, _ *http.Request) { c.set("Content-Type", "a/b"); _ = c.write("<html>") },
		"no type wanted":    func(c control, _ *http.Request) { c.Header()["Content-Type"] = nil; _ = c.write("<html>") },
		"a type, late": func(c control, _ *http.Request) {
			c.WriteHeader(200)
			c.set("Content-Type", "a/b")
			_ = c.write("<html>")
		},
		"a coded type":      func(c control, _ *http.Request) { c.set("Content-Encoding", "gzip"); _ = c.write("<html>") },
		"no coded type":     func(c control, _ *http.Request) { c.set("Content-Encoding", ""); _ = c.write("<html>") },
		"sniffed":           func(c control, _ *http.Request) { _ = c.write("<html>") },
		"sniffed in pieces": func(c control, _ *http.Request) { _ = c.write("<ht"); _ = c.write("ml>") },
		"sniffed, flushed":  func(c control, _ *http.Request) { _ = c.write("<ht"); _ = c.Flush(); _ = c.write("ml>") },
		"sniffed, large":    func(c control, _ *http.Request) { _ = c.write("<html>" + large) },
		"sniffed, then large": func(c control, _ *http.Request) {
			_ = c.write("<ht")
			_ = c.write("ml>" + large)
		},
		"sniffed, with a length": func(c control, _ *http.Request) {
			c.set("Content-Length", "6")
			_ = c.write("<ht")
			_ = c.write("ml>")
		},
		"sniffed, with a large length": func(c control, _ *http.Request) {
			c.set("Content-Length", fmt.Sprint(len(large)+6))
			_ = c.write("<ht")
			_ = c.write("ml>" + large)
		},
	}
}

func TestHeadersOfRepliesAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	repliesAreThoseOfNetHTTP(t, get, fields())
}

func trailers() map[string]func(control, *http.Request) {
	return map[string]func(control, *http.Request){
		"announced": func(c control, _ *http.Request) {
			c.set("Trailer", "A, b")
			_ = c.write("x")
			c.set("A", "1")
			c.set("B", "2")
		},
		"announced, not set": func(c control, _ *http.Request) { c.set("Trailer", "A"); _ = c.write("x") },
		"announced, no body": func(c control, _ *http.Request) { c.set("Trailer", "A"); c.WriteHeader(200); c.set("A", "1") },
		"announced, forbidden": func(c control, _ *http.Request) {
			c.set("Trailer", "Cache-Control, A")
			_ = c.write("x")
			c.set("Cache-Control", "no-store")
			c.set("A", "1")
		},
		"all forbidden": func(c control, _ *http.Request) {
			c.set("Trailer", "Cache-Control")
			_ = c.write("x")
			c.set("Cache-Control", "no-store")
		},
		"announced, a length": func(c control, _ *http.Request) {
			c.set("Trailer", "A")
			c.set("Content-Length", "1")
			_ = c.write("x")
			c.set("A", "1")
		},
		"announced, with 204":    func(c control, _ *http.Request) { c.set("Trailer", "A"); c.WriteHeader(204); c.set("A", "1") },
		"prefixed":               func(c control, _ *http.Request) { _ = c.write("x"); _ = c.Flush(); c.set(http.TrailerPrefix+"A", "1") },
		"prefixed, not flushed":  func(c control, _ *http.Request) { _ = c.write("x"); c.set(http.TrailerPrefix+"A", "1") },
		"prefixed, before":       func(c control, _ *http.Request) { c.set(http.TrailerPrefix+"A", "1"); _ = c.write("x") },
		"prefixed, a line break": func(c control, _ *http.Request) { _ = c.Flush(); c.set(http.TrailerPrefix+"A", "1\r\nB: 2") },
	}
}

func TestTrailersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	repliesAreThoseOfNetHTTP(t, get, trailers())
}

func faults() map[string]func(control, *http.Request) {
	return map[string]func(control, *http.Request){
		"a panic":              func(control, *http.Request) { panic("a fault") },
		"an abort":             func(control, *http.Request) { panic(http.ErrAbortHandler) },
		"an abort with a body": func(c control, _ *http.Request) { _ = c.write("x"); panic(http.ErrAbortHandler) },
		"an abort, flushed":    func(c control, _ *http.Request) { _ = c.write("x"); _ = c.Flush(); panic(http.ErrAbortHandler) },
		"an abort in a length": func(c control, _ *http.Request) {
			c.set("Content-Length", "9")
			_ = c.write("x")
			_ = c.Flush()
			panic(http.ErrAbortHandler)
		},
		"an abort of much": func(c control, _ *http.Request) { _ = c.write(large); _ = c.Flush(); panic(http.ErrAbortHandler) },
		"too late to send": func(c control, _ *http.Request) { _ = c.SetWriteDeadline(time.Unix(1, 0)); _ = c.write(large) },
		"too late, then again": func(c control, _ *http.Request) {
			_ = c.SetWriteDeadline(time.Unix(1, 0))
			_ = c.SetWriteDeadline(time.Time{})
			_ = c.write("x")
		},
		"sent in time": func(c control, _ *http.Request) {
			c.set("Content-Length", "1")
			_ = c.write("x")
			_ = c.Flush()
			_ = c.SetWriteDeadline(time.Unix(1, 0)) // which the next reply does not have
		},
		"in time for both": func(c control, _ *http.Request) {
			_ = c.SetWriteDeadline(time.Now().Add(patience))
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_ = c.write("x")
		},
	}
}

func TestFaultsOfHandlersEndAsWithNetHTTP(t *testing.T) {
	t.Parallel()
	repliesAreThoseOfNetHTTP(t, get, faults())
}

func TestErrorsOfWritingAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	tell := func(c control, status int, length string, pieces ...string) {
		var text []string
		if length != "" {
			c.set("Content-Length", length)
		}
		c.WriteHeader(status)
		for _, p := range pieces {
			n, err := c.Write([]byte(p))
			text = append(text, fmt.Sprint(n, err))
		}
		c.Header().Set(http.TrailerPrefix+"Errors", strings.Join(text, ", "))
	}
	repliesAreThoseOfNetHTTP(t, get, map[string]func(control, *http.Request){
		"none":         func(c control, _ *http.Request) { tell(c, 200, "", "a", "", large) },
		"no body":      func(c control, _ *http.Request) { tell(c, 204, "", "a", "") },
		"too much":     func(c control, _ *http.Request) { tell(c, 200, "3", "ab", "cd", "e") },
		"all too much": func(c control, _ *http.Request) { tell(c, 200, "0", "a") },
		"send deadline": func(c control, _ *http.Request) {
			_ = c.SetWriteDeadline(time.Unix(1, 0))
			tell(c, 200, "", large, "a")
		},
	})
}

// repliesAreThoseOfNetHTTP compares what handlers make of a plain request, with the
// probe behind it.
func repliesAreThoseOfNetHTTP(t *testing.T, request string, handlers map[string]func(control, *http.Request)) {
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := exchange{send: []string{request, probe}, handler: handled(h)}
			got, handed := e.byDownstream(t)
			compare(t, got, e.byNetHTTP(t))
			if handed != 0 {
				t.Error("it was given to net/http")
			}
		})
	}
}
