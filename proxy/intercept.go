package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/elazarl/goproxy"

	"sealcar/apierror"
	"sealcar/downstream"
	"sealcar/netguard"
)

// established is the answer to a CONNECT that succeeded, to HTTP/1.0 as well
// (RFC 9110 section 2.5: a server answers with its own version).
const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// newConnects is goproxy, for the dispatch of CONNECT alone: each one is
// hijacked, so that nothing of goproxy's response path, CA or environment
// lookups is ever used.
func (p *Proxy) newConnects() *goproxy.ProxyHttpServer {
	unused := func(string, string) (net.Conn, error) { return nil, errors.New("goproxy does not dial here") }
	g := goproxy.NewProxyHttpServer()
	g.Logger = printfLog{p.log}
	g.Tr = &http.Transport{Dial: unused} //nolint:staticcheck // never dials; set because the default reads the environment
	g.ConnectDial = unused
	taken := goproxy.ReqConditionFunc(func(r *http.Request, _ *goproxy.ProxyCtx) bool { return visitOf(r.Context()).intercept })
	g.OnRequest(taken).HijackConnect(p.terminate)
	g.OnRequest().HijackConnect(p.tunnel)
	return g
}

// connect serves a CONNECT that may pass. What can be refused is refused here,
// while there is an HTTP answer to give.
func (p *Proxy) connect(v *visit) {
	r := v.request
	if v.intercept {
		select {
		case p.preambles <- struct{}{}:
			defer func() { <-p.preambles }()
		default:
			v.refuse(&apierror.Error{Status: http.StatusServiceUnavailable, Code: "busy", Message: "Too many connections are being opened at once. Try again.", RetryAfter: time.Second})
			return
		}
	} else {
		server, err := v.table.egress.dialer.DialContext(r.Context(), "tcp", v.target.String())
		if err != nil {
			v.refuse(explain(err, nil, v.target.String()))
			return
		}
		defer func() { _ = server.Close() }() // the tunnel's end closes it too, but there is none if the hijack fails
		v.server = server
	}
	p.connects.ServeHTTP(earlyHijacker{v.reply.ResponseWriter}, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
}

// earlyHijacker keeps what a client sent right behind its CONNECT: goproxy
// drops the reader that Hijack returns, and these bytes with it.
type earlyHijacker struct{ http.ResponseWriter }

// Hijack gives a connection that reads those bytes first.
func (h earlyHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijacking the CONNECT: %w", err)
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("reading behind the CONNECT: %w", err)
	}
	return downstream.NewBegun(conn, bytes.Clone(early)), rw, nil
}

// terminate takes a CONNECT apart: TLS ends here, and what is inside comes back
// to the server as a connection of requests for one target.
func (p *Proxy) terminate(r *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
	v := visitOf(r.Context())
	stop := context.AfterFunc(p.accepting, func() { _ = client.Close() })
	inner, err := p.preamble(r.Context(), v, client)
	stop() // before its first request can begin, which is not to be cut
	if err != nil {
		_ = client.Close()
		p.logPreamble(v, err)
		return
	}
	if inner.door == doorConnectTLS {
		p.inside.Give(inner)
		return
	}
	p.inner.Give(inner)
}

// preamble answers the CONNECT, looks at the client's first byte, and takes off
// TLS if it starts a TLS record. All within timeouts.read_header.
func (p *Proxy) preamble(ctx context.Context, v *visit, client net.Conn) (*innerConn, error) {
	if patience := v.table.config.Timeouts.ReadHeader; patience > 0 {
		if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, fmt.Errorf("bounding the preamble: %w", err)
		}
	}
	if _, err := io.WriteString(client, established); err != nil {
		return nil, fmt.Errorf("answering the CONNECT: %w", err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(client, first); err != nil {
		return nil, fmt.Errorf("reading the first byte: %w", err)
	}
	inner := &innerConn{Conn: downstream.NewBegun(client, first), door: doorConnectPlain, target: v.target, client: v.client}
	if first[0] == recordHandshake {
		if err := p.handshake(ctx, v, inner); err != nil {
			return nil, err
		}
	}
	if err := client.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("unbounding the connection: %w", err)
	}
	return inner, nil
}

// errNotTrusted is a handshake that the client ended once it had seen our
// certificate, by an alert, be it one that cannot be read. errLeft is one that it
// left without a word: most do so because they want nothing any more (Node's fetch
// does when a stream is given up), few because they do not trust us.
var (
	errNotTrusted = errors.New("TLS handshake ended after the certificate was sent")
	errLeft       = errors.New("the application left during the TLS handshake")
)

// handshake takes TLS off with a certificate for the host that the client asks
// for: the CONNECT's, or another host of the same route.
func (p *Proxy) handshake(ctx context.Context, v *visit, inner *innerConn) error {
	presented := false
	conn := tls.Server(inner.Conn, &tls.Config{
		MinVersion:             tls.VersionTLS12,
		NextProtos:             protocolsOverTLS(),
		SessionTicketsDisabled: true, // their key would live in this one-connection config
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			t, err := v.sniTarget(hello.ServerName)
			if err != nil {
				return nil, err
			}
			inner.target = t
			leaf, err := v.table.authority.leaf(t.host)
			presented = err == nil
			return leaf, err
		},
	})
	err := conn.HandshakeContext(ctx)
	switch {
	case err == nil:
		inner.Conn, inner.door = conn, doorConnectTLS
		return nil
	case presented && leftWithoutAWord(err):
		return fmt.Errorf("%w: %w", errLeft, err)
	case presented && !timedOut(err) && p.accepting.Err() == nil: // the last: we did not end it ourselves
		return fmt.Errorf("%w: %w", errNotTrusted, err)
	default:
		return fmt.Errorf("TLS handshake: %w", err)
	}
}

// leftWithoutAWord tells of a connection that the client ended below TLS.
func leftWithoutAWord(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// sniTarget is whom a client means that names sni inside its CONNECT.
func (v *visit) sniTarget(sni string) (target, error) {
	if v.route == nil {
		return target{}, fmt.Errorf("the data port itself speaks no TLS: use http for %s", v.target)
	}
	if sni == "" {
		return v.target, nil
	}
	host, err := netguard.NormalHost(sni)
	if err != nil {
		return target{}, err
	}
	t := target{host: host, port: v.target.port}
	if route, _ := v.table.match(t, ""); route != v.route {
		return target{}, fmt.Errorf("the server name %q is not of the route that the CONNECT is for", sni)
	}
	return t, nil
}
