package wire

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Recorder keeps what crosses the connections that it taps. The zero value is
// ready.
type Recorder struct {
	mu    sync.Mutex
	conns []*Conversation
}

// Conversation is what crossed one connection.
type Conversation struct{ Received, Sent []byte }

// Guard makes the test fail at its end if a canary crossed, either way, in a form
// that can be read.
func (r *Recorder) Guard(t testing.TB, canaries ...string) {
	t.Helper()
	t.Cleanup(func() {
		for _, c := range r.Conversations() {
			received, sent := views(c.Received), views(c.Sent)
			for _, canary := range canaries {
				for _, form := range leaks(received, canary) {
					t.Errorf("the canary %s reached the upstream: %s", canary, form)
				}
				for _, form := range leaks(sent, canary) {
					t.Errorf("the canary %s came from the upstream: %s", canary, form)
				}
			}
		}
	})
}

// Conversations is what crossed so far, a connection each.
func (r *Recorder) Conversations() []Conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Conversation
	for _, c := range r.conns {
		all = append(all, Conversation{bytes.Clone(c.Received), bytes.Clone(c.Sent)})
	}
	return all
}

// Received is everything that peers have sent.
func (r *Recorder) Received() []byte {
	var all []byte
	for _, c := range r.Conversations() {
		all = append(all, c.Received...)
	}
	return all
}

// Take returns what crossed since the last Take, without the connections on which
// nothing did.
func (r *Recorder) Take() []Conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Conversation
	for _, c := range r.conns {
		if len(c.Received)+len(c.Sent) > 0 {
			taken = append(taken, *c)
			*c = Conversation{}
		}
	}
	return taken
}

// Tap records c, which belongs to a server: what it reads was received. It has
// the form of enclave.Options.Tap.
func (r *Recorder) Tap(c net.Conn) net.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	conversation := new(Conversation)
	r.conns = append(r.conns, conversation)
	return &tapped{Conn: c, recorder: r, conversation: conversation}
}

type tapped struct {
	net.Conn

	recorder     *Recorder
	conversation *Conversation
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	t.conversation.Received = append(t.conversation.Received, p[:n]...)
	return n, err
}

func (t *tapped) Write(p []byte) (int, error) {
	t.recorder.mu.Lock()
	t.conversation.Sent = append(t.conversation.Sent, p...)
	t.recorder.mu.Unlock()
	return t.Conn.Write(p)
}

// Record writes a request that a handler got down, for servers whose connections
// cannot be tapped: its head and body as net/http read them.
func (r *Recorder) Record(req *http.Request, body []byte) {
	var text bytes.Buffer
	_, _ = text.WriteString(req.Method + " " + req.RequestURI + "\r\n")
	_ = req.Header.Write(&text) // a buffer takes everything
	text.Write(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, &Conversation{Received: text.Bytes()})
}
