package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"sealcar/socket"
)

// heldBody is the largest request body, in bytes, that Pool sends itself. It
// leaves in one write that the socket's buffer takes whole, so an upstream that
// answers before it has read the request cannot make us wait for each other.
const heldBody = writeBuffer - 4<<10

// Pool sends requests to HTTP/1.1 upstreams over connections that it holds, on the
// caller's goroutine from the first byte to the last: http.Transport hands each
// over to two goroutines of the connection's and back, which is most of what a
// short request costs there. The bytes are net/http's, both ways (http.Request.Write
// and http.ReadResponse).
//
// Everything else goes by the transport: a host until it has answered in HTTP/1.1,
// HTTP/2, large requests, egress proxies. Dialling, TLS with its pins, and all time
// limits are those of the transport. As with it, a request is never sent twice once
// a byte of it may have been read.
type Pool struct {
	next      http.RoundTripper
	dial      dialFunc
	tls       *tls.Config
	handshake time.Duration
	header    time.Duration // from the request until the reply's headers
	idle      time.Duration
	maxHeader int64

	mu      sync.Mutex
	hosts   map[string][]*conn // those that speak HTTP/1.1: what is idle, the last used last
	resting int                // connections that are idle, of all hosts
	reaper  *time.Timer        // closes what has been idle for long; nil while nothing is idle
	closed  bool
}

// NewPool makes a pool beside a transport that NewTransport has made. next is by
// what requests go that the pool does not send itself: the transport, or what is
// built on it. Close ends it.
func NewPool(t *http.Transport, next http.RoundTripper) *Pool {
	p := &Pool{
		next: next, dial: t.DialContext, tls: t.TLSClientConfig.Clone(),
		handshake: t.TLSHandshakeTimeout, header: t.ResponseHeaderTimeout, idle: t.IdleConnTimeout,
		maxHeader: t.MaxResponseHeaderBytes,
	}
	p.tls.NextProtos = []string{"http/1.1"}
	if t.Proxy == nil && socket.CanTellQuiet {
		p.hosts = map[string][]*conn{}
	}
	return p
}

// RoundTrip implements http.RoundTripper.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	if !p.takes(req) {
		resp, err := p.next.RoundTrip(req)
		if err == nil && resp.ProtoMajor == 1 && resp.ProtoMinor == 1 && req.URL.Scheme == "https" {
			p.learn(req.URL.Host)
		}
		return resp, err
	}
	c, err := p.take(req.Context(), req.URL.Host)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper closes it, on errors too
		}
		return nil, err
	}
	return c.roundTrip(req)
}

// takes reports whether the pool sends req itself.
func (p *Pool) takes(req *http.Request) bool {
	bodyless := req.Body == nil || req.Body == http.NoBody
	if req.URL.Scheme != "https" || req.Close || req.ContentLength > heldBody || req.ContentLength <= 0 && !bodyless {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.hosts[req.URL.Host]
	return known
}

// learn notes that a host speaks HTTP/1.1. The caller sends to few.
func (p *Pool) learn(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.hosts[host]; !known && p.hosts != nil {
		p.hosts[host] = nil
	}
}

// forget lets a host be asked anew by the transport which protocol it speaks: it
// may have HTTP/2 alone by now.
func (p *Pool) forget(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hosts[host]) == 0 {
		delete(p.hosts, host)
	}
}

// take gives a connection that nobody else uses: the last used of those that are
// alive, else a new one.
func (p *Pool) take(ctx context.Context, host string) (*conn, error) {
	for {
		c := p.pop(host)
		if c == nil {
			return p.connect(ctx, host)
		}
		if c.quiet() {
			return c, nil
		}
		_ = c.raw.Close() // the upstream has ended it, or speaks without being asked
	}
}

func (p *Pool) pop(host string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.hosts[host]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	p.hosts[host] = idle[:len(idle)-1]
	p.resting--
	return c
}

// connect dials and shakes hands.
func (p *Pool) connect(ctx context.Context, host string) (*conn, error) {
	address, name := host, host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		name = bare
	} else {
		address = net.JoinHostPort(trimBrackets(host), "443")
	}
	raw, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	config := p.tls.Clone()
	config.ServerName = trimBrackets(name)
	shaken := tls.Client(raw, config)
	if p.handshake > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.handshake)
		defer cancel()
	}
	if err := shaken.HandshakeContext(ctx); err != nil {
		p.forget(host)
		return nil, errors.Join(fmt.Errorf("TLS to %s: %w", host, err), raw.Close())
	}
	c, err := newConn(p, host, raw, shaken)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

func trimBrackets(host string) string {
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// put takes back a connection whose reply has been read to its end.
func (p *Pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.resting >= idleTotal {
		_ = c.raw.Close() // nobody waits for anything from it
		return
	}
	c.since = time.Now()
	p.resting++
	p.hosts[c.host] = append(p.hosts[c.host], c)
	if p.reaper == nil && p.idle > 0 {
		p.reaper = time.AfterFunc(p.idle, p.reap)
	}
}

// reap closes what has been idle for long, and comes again when the next will have
// been.
func (p *Pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, next := time.Now(), p.idle
	for host, idle := range p.hosts {
		old := 0 // the longest idle come first
		for old < len(idle) && now.Sub(idle[old].since) >= p.idle {
			_ = idle[old].raw.Close() // TLS would say farewell, and every request wait for it
			old++
		}
		if old < len(idle) {
			next = min(next, p.idle-now.Sub(idle[old].since))
		}
		p.hosts[host] = slices.Clone(idle[old:])
		p.resting -= old
	}
	p.reaper = nil
	if p.resting > 0 && !p.closed {
		p.reaper = time.AfterFunc(next, p.reap)
	}
}

// Close closes what is idle now, and each connection in use when its reply has
// ended.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for host, idle := range p.hosts {
		for _, c := range idle {
			_ = c.raw.Close() // nobody waits for anything from it
		}
		p.hosts[host] = nil
	}
	p.resting = 0
}
