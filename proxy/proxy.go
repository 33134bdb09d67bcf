package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"
	"github.com/rs/zerolog"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/downstream"
	"sealcar/kubeprobe"
)

// maxPreambles bounds how many intercepted CONNECTs may be between their 200
// and their first request at a time.
const maxPreambles = 1024

// Options make a Proxy. Config and Protocol are required.
type Options struct {
	Config   *config.Config
	Machine  config.Machine                                        // what limits of 0 are fitted to, those of a reload too
	Protocol func(*config.Config, config.Route) (*Protocol, error) // called for each route, again on every reload; limits are fitted
	Log      zerolog.Logger                                        // the zero value logs nothing
	Version  string                                                // shown in metrics

	// ErrorForm is how errors are written for whoever sent these headers; nil, or
	// a nil result, is the form of OpenAI's.
	ErrorForm func(http.Header) func(*apierror.Error) []byte

	Now      func() time.Time                                 // nil means time.Now
	Listen   func(network, addr string) (net.Listener, error) // nil means net.Listen
	Resolver *net.Resolver                                    // of hosts without a route; nil means the system's
	Getenv   func(key string) string                          // asked for SSL_CERT_FILE; nil means no environment
}

// Protocol is what carries the requests of one route.
type Protocol struct {
	// RoundTripper gets each request with the upstream's URL, Host and path and
	// with the application's body, unbuffered: it buffers and bounds that
	// itself, and does so first, for over HTTP/2 a body that stays unread holds
	// up those of other requests. It fills the exchange.Record of the request's
	// context. An *apierror.Error in its error's chain reaches the application
	// as it is.
	RoundTripper http.RoundTripper
	// Ready says whether the route could serve now, and why or why not; nil
	// means always. It should not outlast ctx, which ends with the probe.
	Ready func(ctx context.Context) (ok bool, detail string)
	// Certificates tells the state of the endpoint certificates at hand, for
	// metrics; nil means none.
	Certificates func() []CertificateState
	// CertificateCounts are totals since the protocol was made; nil means none.
	CertificateCounts func() CertificateCounts
	// Close is called once no request uses the protocol any more; nil means
	// nothing is to be done.
	Close func()
}

// CertificateState is one endpoint certificate in a protocol's cache. Model,
// NotAfter and Fetched are required.
type CertificateState struct {
	Model                string    `json:"model"`
	Host                 string    `json:"host"`             // host[:port] of the upstream that it is for
	Source               string    `json:"source,omitempty"` // who gave it
	Subject              string    `json:"subject,omitempty"`
	Issuers              []string  `json:"issuers,omitempty"` // from the leaf's issuer to the trust anchor
	Serial               string    `json:"serial,omitempty"`  // hexadecimal
	SPKI                 string    `json:"spki,omitempty"`    // base64 SHA-256 of the SubjectPublicKeyInfo
	NotBefore            time.Time `json:"not_before,omitzero"`
	NotAfter             time.Time `json:"not_after"`
	Fetched              time.Time `json:"fetched"`
	Stale                bool      `json:"stale"` // too old, for it could not be renewed
	LastError            string    `json:"last_error,omitempty"`
	Revocation           string    `json:"revocation,omitempty"` // good, revoked, unknown; "" if nobody is asked
	RevocationReason     string    `json:"revocation_reason,omitempty"`
	RevocationNextUpdate time.Time `json:"revocation_next_update,omitzero"`
}

// CertificateCounts are totals of a protocol's certificate caches.
type CertificateCounts struct {
	Fetched, Failed uint64 // certificates that were asked for, by how that ended
	Untimely        uint64 // of Failed: not yet or no more valid by this machine's clock
	Evicted         uint64 // that had to go from memory for others
}

// Proxy is the sidecar. Make it with New, then call Run once.
type Proxy struct {
	options Options
	log     zerolog.Logger
	self    self
	metrics *metrics

	listener *bounded            // data port
	tls      *tls.Config         // of the data port; nil when it speaks none
	clients  *clients            // of the data port
	admin    *bounded            // nil when off
	inner    *downstream.Handoff // connections that came out of a CONNECT in clear
	inside   *downstream.Handoff // those that came out of TLS in one
	servers  *servers            // behind these three

	connects  *goproxy.ProxyHttpServer
	unrouted  *httputil.ReverseProxy
	preambles chan struct{} // a token per CONNECT that has sent no request yet
	requests  atomic.Uint64 // so far, for their ids
	inFlight  atomic.Int64  // requests that take a place of limits.requests
	idPrefix  string

	working    context.Context // ends when open requests are cut
	cut        context.CancelCauseFunc
	accepting  context.Context // ends when draining starts
	stopTaking context.CancelFunc
	serving    atomic.Bool
	outdated   atomic.Bool // the configuration has changed, and what it is now cannot be used
	changes    []change    // the configuration and the files of the data port; fixed by New
	warning    kubeprobe.Warning

	mu     sync.Mutex // guards table and every table's users and retired
	table  *table     // nil once stopped
	tables sync.WaitGroup
}

// New prepares the local CA and the routes and binds both listeners, so that
// Addr is known and connections wait for Run.
func New(o Options) (*Proxy, error) {
	if o.Config == nil || o.Protocol == nil {
		return nil, errors.New("proxy: Options needs Config and Protocol")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	o.Config = o.Config.Fit(o.Machine)
	p := &Proxy{
		options:   o,
		log:       o.Log,
		inner:     downstream.NewHandoff(),
		inside:    downstream.NewHandoff(),
		preambles: make(chan struct{}, maxPreambles),
		idPrefix:  newIDPrefix(),
	}
	p.working, p.cut = context.WithCancelCause(context.Background())
	p.accepting, p.stopTaking = context.WithCancel(p.working)
	p.metrics = newMetrics(o.Version, o.Now, p.certificates, p.load)
	p.warning.Now = o.Now
	p.changes = []change{p.configChange()}
	p.connects = p.newConnects()
	p.unrouted = p.newUnrouted()
	if err := p.open(); err != nil {
		p.cut(err)
		return nil, err
	}
	p.metrics.expect(o.Config.Routes)
	p.collectChanges()
	return p, nil
}

// open makes what can fail, and leaves nothing open if it does.
func (p *Proxy) open() error {
	c := p.options.Config
	var err error
	if p.tls, err = p.newTLS(c.ListenTLS); err != nil {
		return err
	}
	if p.clients, err = p.newClients(c); err != nil {
		return err
	}
	if err := p.bind(c); err != nil {
		return err
	}
	if p.servers, err = p.newServers(c); err != nil {
		p.closeListeners()
		return err
	}
	t, err := p.newTable(c)
	if err != nil {
		p.closeListeners()
		p.servers.close()
		return err
	}
	p.table = t
	p.tables.Add(1)
	return nil
}

func (p *Proxy) bind(c *config.Config) error {
	data, err := p.options.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listening on %q (listen): %w", c.Listen, err)
	}
	p.listener = newBounded(data, c.Limits.Connections, tooManyConnections(), p.metrics.overflowed.Inc)
	p.self.data = addrPort(p.listener.Addr())
	if c.Admin.Listen == "" {
		return nil
	}
	admin, err := p.options.Listen("tcp", c.Admin.Listen)
	if err != nil {
		p.closeListeners()
		return fmt.Errorf("listening on %q (admin.listen): %w", c.Admin.Listen, err)
	}
	p.admin = newBounded(admin, maxAdminConnections, "", func() {})
	p.self.admin = addrPort(p.admin.Addr())
	return nil
}

func (p *Proxy) closeListeners() {
	_ = p.listener.Close() // closing only fails when it is closed already
	if p.admin != nil {
		_ = p.admin.Close()
	}
}

// Addr is the address of the data port.
func (p *Proxy) Addr() net.Addr { return p.listener.Addr() }

// AdminAddr is the address of the admin port, nil when it is off.
func (p *Proxy) AdminAddr() net.Addr {
	if p.admin == nil {
		return nil
	}
	return p.admin.Addr()
}

// CAFiles are the files that make applications trust the local CA.
func (p *Proxy) CAFiles() CAFiles { return NewCAFiles(p.options.Config) }
