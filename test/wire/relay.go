package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Relay stands in front of an enclave of another process: it takes TLS off with
// the enclave's own certificate, records what is inside, and puts TLS on again.
// state is the enclave's state directory and addr where it listens. The relay ends
// with the test. It returns the address to use in place of addr.
func (r *Recorder) Relay(t testing.TB, addr, state string) string {
	t.Helper()
	relay, err := StartRelay(t.Context(), RelayOptions{To: addr, State: state, Tap: r.Tap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	return relay.Addr()
}

// RelayOptions say what a relay stands in front of. Protocols may be left out.
type RelayOptions struct {
	To    string                  // host:port of the enclave
	State string                  // its state directory
	Tap   func(net.Conn) net.Conn // sees each connection as the enclave would, inside TLS

	// Protocols are those of ALPN that the relay offers: HTTP/2 and HTTP/1.1. HTTP/2
	// passes as it came; its header fields are compressed and cannot be looked into.
	Protocols []string
}

// Relay is one that runs.
type Relay struct {
	o              RelayOptions
	ln             net.Listener
	server, client *tls.Config
	running        sync.WaitGroup

	mu     sync.Mutex
	open   map[*tls.Conn]bool
	closed bool
}

// StartRelay starts a relay on a free loopback port, until Close.
func StartRelay(ctx context.Context, o RelayOptions) (*Relay, error) {
	file := filepath.Join(o.State, "tls-server.key") // the key, then its certificate
	server, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, fmt.Errorf("starting a relay: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(o.State, "tls-ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("starting a relay: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("starting a relay: tls-ca.pem holds no certificate")
	}
	if o.Protocols == nil {
		o.Protocols = []string{"h2", "http/1.1"}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a relay: %w", err)
	}
	relay := &Relay{
		o: o, ln: ln,
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}, NextProtos: o.Protocols},
		client: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		open:   map[*tls.Conn]bool{},
	}
	relay.running.Go(relay.accept)
	return relay, nil
}

// Addr is the address to use in place of the enclave's.
func (r *Relay) Addr() string { return r.ln.Addr().String() }

// Close breaks all connections off and waits for their end.
func (r *Relay) Close() {
	_ = r.ln.Close() // nothing is left to accept
	r.mu.Lock()
	r.closed = true
	for c := range r.open {
		_ = c.NetConn().Close()
	}
	r.mu.Unlock()
	r.running.Wait()
}

func (r *Relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return // the listener is closed
		}
		r.running.Go(func() { r.carry(c) })
	}
}

// carry connects one client with the enclave until either is done.
func (r *Relay) carry(c net.Conn) {
	near := tls.Server(c, r.server)
	defer r.watch(near)()
	if err := near.HandshakeContext(context.Background()); err != nil {
		return
	}
	config := r.client.Clone()
	if protocol := near.ConnectionState().NegotiatedProtocol; protocol != "" {
		config.NextProtos = []string{protocol}
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", r.o.To)
	if err != nil {
		return
	}
	far, ok := conn.(*tls.Conn)
	if !ok { // crypto/tls says that it is one
		return
	}
	defer r.watch(far)()
	recorded := r.o.Tap(near)
	defer func() { _ = recorded.Close() }() // near is closed already: the tap is to know it
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
func (r *Relay) watch(c *tls.Conn) (closeNow func()) {
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
