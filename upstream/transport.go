package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"sealcar/config"
	"sealcar/socket"
)

const (
	idlePerHost  = 256              // kept connections to one host; HTTP/1.1 upstreams need one per running request
	idleTotal    = 1024             // and to all hosts of a route together
	writeBuffer  = 16 << 10         // per connection: headers and a short request are one write
	keepAlive    = 30 * time.Second // between TCP probes of a silent connection
	pingAfter    = 30 * time.Second // HTTP/2: silence before a connection is asked whether it lives; models think long
	pingTimeout  = 15 * time.Second // HTTP/2: and how long its answer may take
	writeStalled = 60 * time.Second // HTTP/2: a connection that takes no byte for so long is dead
)

// NewTransport makes the transport of one route, without what New puts in front of
// it. Certificate files are read now, so that a mistake shows at once; the client
// certificate is read again when its files change. The caller ends it with
// CloseIdleConnections.
func NewTransport(r config.Route, t config.Timeouts, l config.Limits) (*http.Transport, error) {
	if err := checkScheme(r); err != nil {
		return nil, err
	}
	tlsConfig, err := newTLSConfig(r)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: t.Dial, KeepAlive: keepAlive}
	dial, proxy, err := newEgress(r, tlsConfig.RootCAs, direct(dialer), t.TLSHandshake)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                  proxy, // nil means none: the environment is never asked
		OnProxyConnectResponse: checkConnect,
		DialContext:            dial,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    t.TLSHandshake,
		ResponseHeaderTimeout:  t.ResponseHeader,
		IdleConnTimeout:        t.Idle,
		MaxIdleConns:           idleTotal,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: int64(l.HeaderBytes),
		DisableCompression:     true, // replies are opened as they come; what was not asked for is not unpacked
		ForceAttemptHTTP2:      true, // a DialContext or TLSClientConfig of one's own switches it off
		WriteBufferSize:        writeBuffer,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  pingAfter,
			PingTimeout:      pingTimeout,
			WriteByteTimeout: writeStalled,
		},
	}
	if !r.UnsafeUpstreamHTTP {
		transport.RegisterProtocol("http", plaintextRefuser{})
	}
	return transport, nil
}

// checkScheme refuses an upstream in clear early, with the setting's name.
func checkScheme(r config.Route) error {
	if r.Upstream == "" {
		return nil
	}
	u, err := url.Parse(r.Upstream)
	switch {
	case err != nil:
		return fmt.Errorf("upstream: %w", err)
	case u.Scheme == "https", u.Scheme == "http" && r.UnsafeUpstreamHTTP:
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("upstream %q: http is allowed only with unsafe_upstream_http", r.Upstream)
	default:
		return fmt.Errorf("upstream %q: an https:// URL is needed", r.Upstream)
	}
}

var errPlaintext = errors.New("http:// is refused here, only https:// is dialled (unsafe_upstream_http is off)")

// plaintextRefuser stands in the transport's place for http:// URLs, so that no
// mistake further up can send in clear what belongs inside TLS.
type plaintextRefuser struct{}

// RoundTrip refuses.
func (plaintextRefuser) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close() // a RoundTripper closes it, on errors too
	}
	return nil, errPlaintext
}

func newTLSConfig(r config.Route) (*tls.Config, error) {
	roots, err := newRoots(r.UpstreamCAFile, r.UpstreamCA)
	if err != nil {
		return nil, err
	}
	check, err := newPins(r.UpstreamTLS.Pins)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: minVersion(r.UpstreamTLS.MinVersion), RootCAs: roots, VerifyConnection: check}
	if r.UpstreamTLS.ClientCertFile != "" || r.UpstreamTLS.ClientKeyFile != "" {
		client, err := newClientCert(r.UpstreamTLS.ClientCertFile, r.UpstreamTLS.ClientKeyFile)
		if err != nil {
			return nil, err
		}
		c.GetClientCertificate = client
	}
	return c, nil
}

// minVersion reads "1.2", also as "", or "1.3"; config lets nothing else pass.
func minVersion(setting string) uint16 {
	if setting == "" || setting == "1.2" {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// direct dials connections whose reads and writes do not pass by the scheduler.
func direct(d *net.Dialer) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return socket.Direct(c), nil
	}
}

// dialFunc dials as http.Transport.DialContext does.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
