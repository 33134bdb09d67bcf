package cases_test

import (
	"bufio"
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
	doorConnectPlain = "connect-plain"
	doorBaseURL      = "base-url"
)

var doors = []string{doorAbsolute, doorConnectTLS, doorConnectPlain, doorBaseURL}

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
		return connectTLS(ctx, c, p.CAFiles().CA)
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

func connectTLS(ctx context.Context, c net.Conn, caFile string) (net.Conn, error) {
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
	inside := tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: arkHost})
	return inside, inside.HandshakeContext(ctx)
}
