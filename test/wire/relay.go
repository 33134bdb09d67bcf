package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Relay stands in front of an enclave of another process: it takes TLS off with
// the enclave's own certificate, records what is inside, and puts TLS on again.
// state is the enclave's state directory and addr where it listens. HTTP/2 passes
// as it came; its header fields are compressed and not looked into. The relay
// ends with the test. It returns the address to use in place of addr.
func (r *Recorder) Relay(t testing.TB, addr, state string) string {
	t.Helper()
	server, err := tls.LoadX509KeyPair(filepath.Join(state, "tls-server.key"), filepath.Join(state, "tls-server.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(state, "tls-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("tls-ca.pem holds no certificate")
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := &relay{
		recorder: r, addr: addr,
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}, NextProtos: []string{"h2", "http/1.1"}},
		client: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		open:   map[*tls.Conn]bool{},
	}
	relay.running.Go(func() { relay.accept(ln) })
	t.Cleanup(func() {
		_ = ln.Close()
		relay.close()
		relay.running.Wait()
	})
	return ln.Addr().String()
}

type relay struct {
	recorder       *Recorder
	addr           string
	server, client *tls.Config
	running        sync.WaitGroup

	mu     sync.Mutex
	open   map[*tls.Conn]bool
	closed bool
}

func (r *relay) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return // the listener is closed
		}
		r.running.Go(func() { r.carry(c) })
	}
}

// carry connects one client with the enclave until either is done.
func (r *relay) carry(c net.Conn) {
	near := tls.Server(c, r.server)
	defer r.watch(near)()
	if err := near.HandshakeContext(context.Background()); err != nil {
		return
	}
	config := r.client.Clone()
	if protocol := near.ConnectionState().NegotiatedProtocol; protocol != "" {
		config.NextProtos = []string{protocol}
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", r.addr)
	if err != nil {
		return
	}
	far, ok := conn.(*tls.Conn)
	if !ok { // crypto/tls says that it is one
		return
	}
	defer r.watch(far)()
	recorded := r.recorder.Tap(near)
	var back sync.WaitGroup
	back.Go(func() {
		_, err := io.Copy(recorded, far)
		end(c, near, err)
	})
	_, err = io.Copy(far, recorded)
	end(far.NetConn(), far, err)
	back.Wait()
}

// end passes on how the other side ended: in order, or broken off.
func end(raw net.Conn, c *tls.Conn, err error) {
	if err == nil {
		_ = c.CloseWrite() // whoever is gone needs no end
		return
	}
	if tcp, ok := raw.(*net.TCPConn); ok && !errors.Is(err, net.ErrClosed) {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// watch has c closed with the relay; the function that it returns closes it now.
func (r *relay) watch(c *tls.Conn) (closeNow func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close()
	}
	r.open[c] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, c)
		_ = c.Close()
	}
}

func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for c := range r.open {
		_ = c.NetConn().Close()
	}
}
