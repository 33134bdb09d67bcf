package demo

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// wire records what crosses the enclave's TLS connections, inside TLS.
type wire struct {
	mu    sync.Mutex
	conns []*recording
}

// recording is one connection's bytes, each way.
type recording struct{ up, down track }

// track is the bytes of one direction, and when they came.
type track struct {
	bytes []byte
	marks []mark
}

// mark says that the bytes from offset on came at a certain time.
type mark struct {
	offset int
	at     time.Time
}

func (t *track) add(p []byte) {
	if len(p) > 0 {
		t.marks = append(t.marks, mark{len(t.bytes), time.Now()})
		t.bytes = append(t.bytes, p...)
	}
}

// at is when the byte at offset came.
func (t *track) at(offset int) time.Time {
	var at time.Time
	for _, m := range t.marks {
		if m.offset > offset {
			break
		}
		at = m.at
	}
	return at
}

// Tap implements enclave.Options.Tap.
func (w *wire) Tap(c net.Conn) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := new(recording)
	w.conns = append(w.conns, r)
	return &tapped{Conn: c, wire: w, recording: r}
}

type tapped struct {
	net.Conn
	wire      *wire
	recording *recording
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.wire.mu.Lock()
	defer t.wire.mu.Unlock()
	t.recording.up.add(p[:n])
	return n, err
}

func (t *tapped) Write(p []byte) (int, error) {
	t.wire.mu.Lock()
	t.recording.down.add(p)
	t.wire.mu.Unlock()
	return t.Conn.Write(p)
}

// take returns what was recorded since the last take and starts anew.
func (w *wire) take() []recording {
	w.mu.Lock()
	defer w.mu.Unlock()
	var taken []recording
	for _, r := range w.conns {
		if len(r.up.bytes) > 0 {
			taken = append(taken, *r)
			*r = recording{}
		}
	}
	return taken
}

// backendTap records the plaintext exchange between the enclave and its backend.
type backendTap struct {
	base http.RoundTripper

	mu             sync.Mutex
	asked          []byte
	askedAt, heads time.Time // request handed over; response headers back
}

// tap implements enclave.Options.TapBackend.
func (b *backendTap) tap(base http.RoundTripper) http.RoundTripper {
	b.base = base
	return b
}

func (b *backendTap) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return b.base.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	asked := time.Now()
	resp, err := b.base.RoundTrip(out)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.askedAt, b.heads = body, asked, time.Now()
	return resp, err
}

func (b *backendTap) last() (asked []byte, askedAt, answeredAt time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked, b.askedAt, b.heads
}
