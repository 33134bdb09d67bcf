package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sealcar/config"
	"sealcar/filemode"
)

// maxUserinfo bounds the file of the proxy's user and password, in bytes.
const maxUserinfo = 4 << 10

type proxyFunc func(*http.Request) (*url.URL, error)

// newEgress gives how to dial and which proxy to name to http.Transport. Without
// upstream_proxy that is direct and nil.
//
// For an https:// proxy the TLS around the CONNECT is ours: http.Transport would
// use the upstream's tls.Config for it, and so look for the upstream's pins at
// the proxy and show it our client certificate.
func newEgress(r config.Route, roots *x509.CertPool, direct dialFunc, handshake time.Duration) (dialFunc, proxyFunc, error) {
	if r.UpstreamProxy == "" {
		return direct, nil, nil
	}
	u, err := parseProxy(r.UpstreamProxy)
	if err != nil {
		return nil, nil, err
	}
	if r.UpstreamProxyAuth != "" {
		if u.User, err = readUserinfo(r.UpstreamProxyAuth); err != nil {
			return nil, nil, err
		}
	}
	dial := direct
	if u.Scheme == "https" {
		dial = overTLS(direct, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: u.Hostname()}, handshake)
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "443")
		}
		u.Scheme = "http" // as http.Transport is to see it, after our TLS
	}
	return dial, http.ProxyURL(u), nil
}

// checkConnect refuses in words of our own: net/http would make an error of the
// proxy's, which may repeat the credentials that it does not take.
func checkConnect(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("upstream_proxy answered the CONNECT with %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}

// parseProxy never repeats the setting if it could hold a password.
func parseProxy(setting string) (*url.URL, error) {
	u, err := url.Parse(setting)
	switch {
	case err != nil:
		return nil, errors.New("upstream_proxy: it is not a URL; http://host:port or https://host:port is needed")
	case u.User != nil:
		return nil, errors.New("upstream_proxy: it holds credentials; put them into a file and name it in upstream_proxy_auth_file")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("upstream_proxy %q: http://host:port or https://host:port is needed", setting)
	default:
		return u, nil
	}
}

func readUserinfo(file string) (*url.Userinfo, error) {
	text, err := filemode.ReadSecret(file, maxUserinfo)
	if err != nil {
		return nil, fmt.Errorf("reading upstream_proxy_auth_file %w", err)
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\r\n"), ":")
	if !ok || user == "" {
		return nil, fmt.Errorf("reading upstream_proxy_auth_file %q: it must hold user:password", file)
	}
	return url.UserPassword(user, password), nil
}

// overTLS dials and shakes hands within a time limit.
func overTLS(dial dialFunc, c *tls.Config, limit time.Duration) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		conn := tls.Client(raw, c)
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS to upstream_proxy: %w", err), raw.Close())
		}
		return conn, nil
	}
}
