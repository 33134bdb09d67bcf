package soak

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// door is one way from an application to the sidecar.
type door struct {
	name   string
	client *http.Client
	base   string // of every URL
}

// smallBuffer is the receive buffer of an application's connections: so small that
// one that reads slowly is felt at the other end, but above the 64 KiB of a segment
// on loopback, below which the kernel sends by its timers alone.
const smallBuffer = 128 << 10

// openDoors gives the doors: the base URL, and three more for each routed host.
func (c *caller) openDoors() []door {
	sidecar := c.traffic.Sidecar
	dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(smallBuffer)
		}
		return conn, err
	}
	client := func(t *http.Transport) *http.Client {
		t.MaxIdleConnsPerHost, t.IdleConnTimeout, t.DisableCompression = 1, 30*time.Second, true
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	proxy := http.ProxyURL(&url.URL{Scheme: "http", Host: sidecar})
	all := []door{{"base URL", client(&http.Transport{DialContext: dial}), "http://" + sidecar}}
	absolute := client(&http.Transport{DialContext: dial, Proxy: proxy})
	intercepted := client(&http.Transport{DialContext: dial, Proxy: proxy, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.traffic.Roots}})
	unencrypted := client(&http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, sidecar)
		if err != nil {
			return nil, err
		}
		return connect(conn, addr)
	}})
	for _, host := range c.traffic.Hosts {
		all = append(all,
			door{"absolute-form", absolute, "http://" + host},
			door{"CONNECT with TLS", intercepted, "https://" + host},
			door{"CONNECT without TLS", unencrypted, "http://" + host})
	}
	return all
}

// connect asks for a tunnel (RFC 9110 section 9.3.6) and gives the connection
// within.
func connect(conn net.Conn, addr string) (net.Conn, error) {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr); err != nil {
		return nil, fmt.Errorf("asking for a tunnel: %w", err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("awaiting a tunnel: %w", err)
	}
	if resp.StatusCode != http.StatusOK || in.Buffered() > 0 {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("awaiting a tunnel: %s, and %d bytes too many", resp.Status, in.Buffered())
	}
	return conn, nil
}
