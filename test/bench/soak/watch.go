package soak

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	"sealcar/test/wire"
)

// Watch looks for a marker in what crosses connections, as it crosses, in every
// form that test/wire knows. It keeps none of it, so it can look at any number of
// bytes.
type Watch struct {
	Marker string

	mu    sync.Mutex
	bytes int64
	found []string
	open  map[*watched]bool
}

const (
	// window is how many bytes are looked at together, overlap how many of them once
	// more with the next: a marker is shorter in all its forms.
	window, overlap = 64 << 10, 1 << 10

	maxFound = 20 // in words
)

// Tap watches c, which belongs to a server. It has the form that test/wire's relay
// takes.
func (w *Watch) Tap(c net.Conn) net.Conn {
	one := &watched{Conn: c, watch: w, received: sieve{name: "received by the upstream"}, sent: sieve{name: "sent by the upstream"}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[*watched]bool{}
	}
	w.open[one] = true
	return one
}

// Take tells how many bytes have crossed since the last Take, and in which forms
// the marker was among them.
func (w *Watch) Take() (bytes int64, found []string) {
	w.mu.Lock()
	var open []*watched
	for c := range w.open {
		open = append(open, c)
	}
	w.mu.Unlock()
	for _, c := range open {
		c.finish()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes, found = w.bytes, w.found
	w.bytes, w.found = 0, nil
	return bytes, found
}

// Read looks at all of r, which is somebody's log say; the next Take has what was
// found.
func (w *Watch) Read(name string, r io.Reader) error {
	s := sieve{name: name}
	defer s.finish(w)
	for piece := make([]byte, window); ; {
		n, err := r.Read(piece)
		s.add(w, piece[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at %s: %w", name, err)
		}
	}
}

func (w *Watch) note(name string, forms []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, form := range forms {
		if said := fmt.Sprintf("%s: %s", name, form); len(w.found) < maxFound && !slices.Contains(w.found, said) {
			w.found = append(w.found, said)
		}
	}
}

func (w *Watch) count(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += int64(bytes)
}

// watched is a connection under watch.
type watched struct {
	net.Conn

	watch          *Watch
	received, sent sieve
}

// Read implements net.Conn.
func (c *watched) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.add(c.watch, p[:n])
	return n, err
}

// Write implements net.Conn.
func (c *watched) Write(p []byte) (int, error) {
	c.sent.add(c.watch, p)
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *watched) Close() error {
	c.finish()
	c.watch.mu.Lock()
	delete(c.watch.open, c)
	c.watch.mu.Unlock()
	return c.Conn.Close()
}

// finish looks at what has not filled a window.
func (c *watched) finish() {
	c.received.finish(c.watch)
	c.sent.finish(c.watch)
}

// sieve is one direction.
type sieve struct {
	name string

	mu   sync.Mutex
	held []byte // not looked at yet, behind what overlaps
}

func (s *sieve) add(w *Watch, p []byte) {
	w.count(len(p))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held = append(s.held, p...); len(s.held) >= window {
		s.look(w, overlap)
	}
}

// look looks at what is held and keeps the last bytes of it.
func (s *sieve) look(w *Watch, keep int) {
	w.note(s.name, wire.Leaks(s.held, w.Marker))
	s.held = append(s.held[:0], s.held[max(0, len(s.held)-keep):]...)
}

// finish looks at what has not filled a window. What comes then is looked at anew.
func (s *sieve) finish(w *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(w, 0)
}
