package enclave

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
)

// BackendEcho as Options.Backend chooses the built-in backend.
const BackendEcho = "echo"

// The defaults of Options.
const (
	defaultRegion        = "cn-beijing"
	defaultDrain         = 30 * time.Second
	defaultReadHeader    = 10 * time.Second
	defaultReadRequest   = time.Minute
	defaultIdle          = 2 * time.Minute
	defaultBackendHeader = 10 * time.Minute

	defaultConnections   = 16384
	defaultRequests      = 4096
	defaultBufferedBytes = 1 << 30
)

// Options are the settings of a Server. StateDir and Backend are required.
type Options struct {
	StateDir string   // keys, certificates and credentials; made if missing, else mode 0700 is required
	SeedDir  string   // keys and credentials that are taken over into StateDir, e.g. a mounted Secret; "" means none
	Names    []string // DNS names and IP addresses of the TLS certificate; nil means DefaultNames
	Region   string   // that OpenAPI signatures must be scoped to; "" means cn-beijing

	Backend        string        // BackendEcho, or the base URL of an OpenAI-compatible API, e.g. http://127.0.0.1:8000/v1
	BackendKeyFile string        // file with the backend's API key, read anew for each request; "" sends none
	EchoDelay      time.Duration // the echo backend waits this long before each word of a stream

	AcceptPlaintext bool // serve chats that are not sealed, and answer them in clear
	JoinReplies     bool // seal a reply that does not stream as several ciphertexts joined

	KeyOverlap time.Duration // requests for the key before a rotation still open for this long; 0 means not at all
	Misbehave  []string      // for tests of clients: what to do wrong, as Misbehaviours lists it

	ReadHeader    time.Duration // a client's TLS handshake and request headers; 0 means 10 s
	ReadRequest   time.Duration // a client's request, headers and body; 0 means 1 min
	Idle          time.Duration // a kept-alive connection without a request; 0 means 2 min
	BackendHeader time.Duration // the backend's response headers; 0 means 10 min: models may think long
	Drain         time.Duration // open requests, once Serve's context has ended; 0 means 30 s

	MaxConnections int   // open at once, further ones wait for a place; 0 means 16384
	MaxRequests    int   // in flight, further ones get 503 too_many_requests; 0 means 4096
	BufferedBytes  int64 // that the bodies of all chats take up in memory together; 0 means 1 GiB

	Log zerolog.Logger   // one line a request, no content; the zero Logger writes nothing
	Now func() time.Time // nil means time.Now

	Tap        func(net.Conn) net.Conn                   // wraps every connection inside TLS, which then is HTTP/1.1; nil wraps none
	TapBackend func(http.RoundTripper) http.RoundTripper // wraps the way to the backend; nil wraps nothing
}

// DefaultNames are the names of the TLS certificate when none are given: this
// machine, and the hosts of Ark and of its control plane, so that a client that
// is pointed here needs no other setting than the CA.
func DefaultNames() []string {
	return []string{
		"localhost", "127.0.0.1", "::1",
		"ark.cn-beijing.volces.com", "open.volcengineapi.com",
		"ark.ap-southeast.bytepluses.com", "open.ap-southeast-1.byteplusapi.com",
	}
}

// Server is an enclave. Make it with New, run it with Serve.
type Server struct {
	o            Options
	misbehaviour misbehaviour
	pki          atomic.Pointer[pki]
	rotating     sync.Mutex // one rotation at a time
	credentials  *credentials
	signatures   *volcsign.Verifier
	base         *url.URL // of the backend; nil: the echo backend, which Serve starts
}

// New checks the options and makes or loads the state. Certificates that are
// near their end, or carry other names than asked for, are issued anew for the
// keys they had.
func New(o Options) (*Server, error) {
	if err := ark.Available(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := checkNames(o.Names); err != nil {
		return nil, err
	}
	wrong, err := parseMisbehaviour(o.Misbehave, o.Now)
	if err != nil {
		return nil, err
	}
	var base *url.URL
	if o.Backend != BackendEcho {
		if base, err = parseBackend(o); err != nil {
			return nil, err
		}
	}
	dir, err := openStateDir(o.StateDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if o.SeedDir != "" {
		if err := dir.takeOver(o.SeedDir); err != nil {
			return nil, err
		}
	}
	p, err := loadPKI(dir, o.Names, o.Now(), wrong.forge)
	if err != nil {
		return nil, err
	}
	c, err := loadCredentials(dir)
	if err != nil {
		return nil, err
	}
	if len(o.Misbehave) > 0 {
		o.Log.Warn().Strs("misbehave", o.Misbehave).Msg("this enclave does wrong on purpose: it is for tests of its clients, and for nothing else")
	}
	s := &Server{o: o, misbehaviour: wrong, credentials: c, signatures: c.verifier(o), base: base}
	s.pki.Store(p)
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Names == nil {
		o.Names = DefaultNames()
	}
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxConnections = cmp.Or(o.MaxConnections, defaultConnections)
	o.MaxRequests = cmp.Or(o.MaxRequests, defaultRequests)
	o.BufferedBytes = cmp.Or(o.BufferedBytes, defaultBufferedBytes)
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.ReadHeader, defaultReadHeader},
		{&o.ReadRequest, defaultReadRequest},
		{&o.Idle, defaultIdle},
		{&o.BackendHeader, defaultBackendHeader},
		{&o.Drain, defaultDrain},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return o
}

func checkNames(names []string) error {
	if len(names) == 0 {
		return errors.New("names of the TLS certificate: at least one is needed")
	}
	for _, name := range names {
		if net.ParseIP(name) == nil && (name == "" || strings.ContainsAny(name, " /:@\x00")) {
			return fmt.Errorf("name %q of the TLS certificate: it is neither a DNS name nor an IP address", name)
		}
	}
	return nil
}
