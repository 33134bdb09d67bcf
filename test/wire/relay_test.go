package wire_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/enclave"
	"sealcar/test/inprocess"
	"sealcar/test/wire"
)

// The relay shows what is inside TLS, of HTTP/1.1 and of HTTP/2, and changes
// nothing of it.
func TestRelayRecordsWhatIsInsideTLS(t *testing.T) {
	t.Parallel()
	far := inprocess.StartEnclave(t, enclave.Options{})
	ca, err := os.ReadFile(filepath.Join(far.State, "tls-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	t.Run("HTTP/1.1 alone", func(t *testing.T) {
		closed := make(chan struct{})
		relay, err := wire.StartRelay(t.Context(), wire.RelayOptions{
			To: far.Addr, State: far.State, Protocols: []string{"http/1.1"},
			Tap: func(c net.Conn) net.Conn { return closing{Conn: c, closed: closed} },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer relay.Close()
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+relay.Addr()+"/api/v3/models", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil || resp.ProtoMajor != 1 {
			t.Fatalf("%+v, %v", resp, err)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		<-closed // the tap is told of the end
	})
	for protocol, major := range map[string]int{"http/1.1": 1, "h2": 2} {
		t.Run(protocol, func(t *testing.T) {
			var r wire.Recorder
			addr := r.Relay(t, far.Addr, far.State)
			transport := &http.Transport{ForceAttemptHTTP2: major == 2, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{protocol}}}
			defer transport.CloseIdleConnections()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/api/v3/chat/completions", strings.NewReader(canary))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.ProtoMajor != major || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("got %s %d %s, %v", resp.Proto, resp.StatusCode, body, err)
			}
			if found := wire.Leaks(r.Received(), canary); len(found) != 1 {
				t.Errorf("of the request the recorder has %q", found)
			}
			if found := wire.Leaks(r.Conversations()[0].Sent, strings.TrimSpace(string(body))); len(found) == 0 {
				t.Errorf("the recorder has no reply in %q", r.Conversations()[0].Sent)
			}
		})
	}
}

// closing tells when a connection is closed.
type closing struct {
	net.Conn

	closed chan struct{}
}

func (c closing) Close() error {
	close(c.closed)
	return c.Conn.Close()
}
