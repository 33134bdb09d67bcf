package enclave

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
	"sealcar/filemode"
)

const (
	backendDial      = 10 * time.Second
	backendIdle      = 90 * time.Second
	backendIdleConns = 256
)

// backend is the http.RoundTripper to an OpenAI-compatible API. It takes
// requests as Ark's data plane has them: the path below /api/v3, the enclave's
// own credential, which goes no further.
type backend struct {
	base      *url.URL // without a trailing slash
	keyFile   string   // "" means no key
	transport *http.Transport
	log       zerolog.Logger // of failures, whose cause no client is told
}

// parseBackend checks Options.Backend, which is not BackendEcho, and its key.
func parseBackend(o Options) (*url.URL, error) {
	base, err := url.Parse(o.Backend)
	if err != nil {
		return nil, errors.New("backend: it is not a URL") // the cause quotes it, password and all
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("backend: it is neither %q nor an http or https URL with a host", BackendEcho)
	case base.User != nil:
		return nil, errors.New("backend: the URL holds credentials; put the key into the backend's key file")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("backend: a base URL has neither query nor fragment")
	}
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), strings.TrimRight(base.RawPath, "/")
	_, err = readKey(o.BackendKeyFile)
	return base, err
}

func newBackend(base *url.URL, o Options) *backend {
	return &backend{base: base, keyFile: o.BackendKeyFile, log: o.Log, transport: &http.Transport{
		// No proxy from the environment: opened requests go where the operator said.
		DialContext:           (&net.Dialer{Timeout: backendDial}).DialContext,
		TLSHandshakeTimeout:   backendDial,
		ResponseHeaderTimeout: o.BackendHeader,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // replies are rewritten, so they are to come as they are
		MaxIdleConnsPerHost:   backendIdleConns,
		IdleConnTimeout:       backendIdle,
	}}
}

// RoundTrip implements http.RoundTripper.
func (b *backend) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.send(req)
	if err != nil && req.Context().Err() == nil { // else it is the client that gave up
		b.log.Warn().Str("id", exchange.From(req.Context()).ID).Err(err).Msg("the backend did not answer")
	}
	return resp, err
}

func (b *backend) send(req *http.Request) (*http.Response, error) {
	key, err := readKey(b.keyFile)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper closes it, also on errors
		}
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL, out.Host = b.url(req.URL), ""
	out.Header.Del("Authorization")
	if key != "" {
		out.Header.Set("Authorization", "Bearer "+key)
	}
	out.Header.Set("Accept-Encoding", "identity")
	resp, err := b.transport.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("calling the backend: %w", err)
	}
	if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		return nil, &apierror.Error{
			Status: http.StatusBadGateway, Code: "backend_redirected", NoRetry: true,
			Message: "the enclave's backend redirects, which is not followed; its base URL is probably wrong",
		}
	}
	resp.Header.Del(headerRequestID) // the enclave answers it itself, and once
	return resp, nil
}

// url maps a path of Ark's data plane to the backend's.
func (b *backend) url(from *url.URL) *url.URL {
	to := *b.base
	to.Path += backendPath(from.Path)
	to.RawPath = b.base.EscapedPath() + backendPath(from.EscapedPath())
	to.RawQuery = from.RawQuery
	return &to
}

// backendPath drops /api/v3, and the batch/ that only Ark has.
func backendPath(path string) string {
	path = strings.TrimPrefix(path, ark.BasePath)
	if rest, ok := strings.CutPrefix(path, "/batch/"); ok {
		return "/" + rest
	}
	return path
}

func (b *backend) close() { b.transport.CloseIdleConnections() }

// readKey reads the backend's key, each time, so that it can be replaced.
func readKey(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	key, err := filemode.ReadWord(file)
	if err != nil {
		return "", fmt.Errorf("reading the backend's key %w", err)
	}
	return key, nil
}
