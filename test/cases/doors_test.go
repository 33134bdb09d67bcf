package cases_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"sealcar/proxy"
)

// patience bounds what must happen; it is generous, so that it decides nothing.
const patience = time.Minute

const (
	doorAbsolute     = "absolute"
	doorConnectTLS   = "connect-tls"
	doorConnectH2    = "connect-h2"
	doorConnectPlain = "connect-plain"
	doorBaseURL      = "base-url"
)

// doors are the ways in. What a case writes as a head of its own is HTTP/1.1, so
// those have no HTTP/2 unless they name it.
var (
	doors     = []string{doorAbsolute, doorConnectTLS, doorConnectH2, doorConnectPlain, doorBaseURL}
	textDoors = []string{doorAbsolute, doorConnectTLS, doorConnectPlain, doorBaseURL}
)

// address gives what an application writes at a door before "/chat/completions",
// and as Host.
func address(door, sidecar string) (base, host string) {
	switch door {
	case doorAbsolute:
		return "http://" + arkHost + "/api/v3", arkHost
	case doorBaseURL:
		return "/v1", sidecar
	default:
		return "/api/v3", arkHost
	}
}

// reply is what an application got.
type reply struct {
	status int
	header http.Header
	body   []byte
	broken error // how it ended, if not as HTTP has it
}

// through sends a request through a door and reads the reply.
func through(ctx context.Context, p *proxy.Proxy, door string, request []byte, halfClose bool) (reply, error) {
	c, err := open(ctx, p, door)
	if err != nil {
		return reply{}, fmt.Errorf("opening the door: %w", err)
	}
	defer func() { _ = c.Close() }()
	if door == doorConnectH2 {
		return overHTTP2(ctx, c, request)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, err := c.Write(request) // cut short by a refusal that comes before its end
		if half, ok := c.(interface{ CloseWrite() error }); ok && halfClose && err == nil {
			_ = half.CloseWrite()
		}
	}()
	defer func() { <-sent }()
	defer func() { _ = c.Close() }() // ends the sender
	r := bufio.NewReader(c)
	got := readReply(r)
	if halfClose {
		_, _ = io.Copy(io.Discard, r) // until the sidecar has done with all that it took for a request
	}
	return got, nil
}

// overHTTP2 sends over HTTP/2 what a request in HTTP/1.1 says.
func overHTTP2(ctx context.Context, c net.Conn, request []byte) (reply, error) {
	said, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return reply{}, fmt.Errorf("reading the request as HTTP/1.1: %w", err)
	}
	body, err := io.ReadAll(said.Body)
	if err != nil {
		return reply{}, fmt.Errorf("reading its body: %w", err)
	}
	to := *said.URL
	to.Scheme, to.Host = "https", said.Host
	out := &http.Request{
		Method: said.Method, URL: &to, Host: said.Host, Header: said.Header,
		ContentLength: said.ContentLength, Body: io.NopCloser(bytes.NewReader(body)),
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // else the transport says its own
	}
	transport := &http.Transport{
		DisableCompression: true,
		Protocols:          new(http.Protocols),
		DialTLSContext:     func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}
	transport.Protocols.SetHTTP2(true)
	resp, err := transport.RoundTrip(out.WithContext(ctx))
	if err != nil {
		return reply{broken: err}, nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ProtoMajor != 2 {
		return reply{}, fmt.Errorf("the reply is %s", resp.Proto)
	}
	got, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, got, err}, nil
}

func readReply(r *bufio.Reader) reply {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return reply{broken: err}
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode/100 == 1 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		return reply{resp.StatusCode, resp.Header, body, err}
	}
}

// open gives a connection on which a request can be written.
func open(ctx context.Context, p *proxy.Proxy, door string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Addr().String())
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	switch door {
	case doorConnectTLS:
		return connectTLS(ctx, c, p.CAFiles().CA, "http/1.1")
	case doorConnectH2:
		return connectTLS(ctx, c, p.CAFiles().CA, "h2")
	case doorConnectPlain:
		return c, connect(c, "80")
	default:
		return c, nil
	}
}

// connect asks for a tunnel. The answer is read byte by byte: what is behind it
// belongs to somebody else.
func connect(c net.Conn, port string) error {
	if _, err := fmt.Fprintf(c, "CONNECT %[1]s:%[2]s HTTP/1.1\r\nHost: %[1]s:%[2]s\r\n\r\n", arkHost, port); err != nil {
		return err
	}
	const established = "HTTP/1.1 200 Connection established\r\n\r\n"
	answer := make([]byte, len(established))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if string(answer) != established {
		return fmt.Errorf("the CONNECT was answered with %q", answer)
	}
	return nil
}

func connectTLS(ctx context.Context, c net.Conn, caFile, protocol string) (net.Conn, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("the local authority's file holds no certificate")
	}
	if err := connect(c, "443"); err != nil {
		return nil, err
	}
	inside := tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: arkHost, NextProtos: []string{protocol}})
	return inside, inside.HandshakeContext(ctx)
}
