package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// child is one of the servers that this program starts as processes of their own.
type child struct {
	listen string
	http2  bool   // upstream: offer HTTP/2 too
	keys   string // the state directory of an enclave, whose keys are used
	to     string // hops: host:port of the upstream
}

func (c *child) flags(flags *flag.FlagSet) {
	flags.StringVar(&c.listen, "listen", "", "host:port")
	flags.BoolVar(&c.http2, "http2", false, "offer HTTP/2")
	flags.StringVar(&c.keys, "keys", "", "state directory of an enclave")
	flags.StringVar(&c.to, "to", "", "host:port of the upstream")
}

func (c *child) serve(ctx context.Context, role string) error {
	server := &http.Server{Addr: c.listen, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing that it serves is worth waiting for
	defer stop()
	var err error
	switch role {
	case "upstream":
		err = c.serveUpstream(server)
	case "plain":
		server.Handler = buffered(plainHop(c.to, c.transport()))
		err = server.ListenAndServe()
	case "reverse":
		server.Handler = buffered(&httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: c.to}) },
			Transport:     c.transport(),
			FlushInterval: -1,
		})
		err = server.ListenAndServe()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (c *child) serveUpstream(server *http.Server) error {
	key, err := endpointKey(c.keys)
	if err != nil {
		return err
	}
	server.Protocols.SetHTTP2(c.http2)
	server.Handler = upstream{key}
	file := filepath.Join(c.keys, "tls-server.key") // the key, then its certificate
	return server.ListenAndServeTLS(file, file)
}

func (c *child) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: tlsRoots(c.keys)},
		MaxIdleConns:        2048,
		MaxIdleConnsPerHost: 2048,
		DisableCompression:  true,
	}
}

// buffered reads the request's body before anything is sent: else the server may
// cut a reply that streams (golang/go#40747).
func buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "half a request", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// plainHop is the smallest honest hop that net/http allows: the measure of what a
// Go proxy costs that does nothing.
func plainHop(to string, transport http.RoundTripper) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = "https", to, ""
		for _, name := range []string{"Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade"} {
			out.Header.Del(name)
		}
		resp, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, "no reply", http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		control := http.NewResponseController(w)
		stream := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
		buffer := make([]byte, 32<<10)
		for {
			n, err := resp.Body.Read(buffer)
			if _, werr := w.Write(buffer[:n]); werr != nil || stream && control.Flush() != nil || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				panic(http.ErrAbortHandler) // so that the client sees the break
			}
		}
	})
}

// endpointKey is the key that an enclave's clients seal for.
func endpointKey(dir string) (*ecdh.PrivateKey, error) {
	file := filepath.Join(dir, "endpoint.key")
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, fmt.Errorf("reading the endpoint's key: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the endpoint's key in %q is none for ECDH", file)
	}
	return key.ECDH()
}

// tlsRoots are those of the upstream's TLS certificate; none if they cannot be
// read, which the first handshake tells.
func tlsRoots(dir string) *x509.CertPool {
	roots := x509.NewCertPool()
	if text, err := os.ReadFile(filepath.Join(dir, "tls-ca.pem")); err == nil {
		roots.AppendCertsFromPEM(text)
	}
	return roots
}

// freeAddress is a loopback port that nobody has at the moment.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}
