package proxy

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"

	"sealcar/config"
	"sealcar/downstream"
	"sealcar/exchange"
	"sealcar/netguard"
)

// accessDenied is a fatal TLS alert record (RFC 8446 section 6), so that a
// client whose hello is refused can say more than that the connection closed.
const accessDenied = "\x15\x03\x03\x00\x02\x02\x31"

// drainIdle is how long a tunnel may be without traffic once sealcar is stopping:
// one that is in use goes on until timeouts.drain, one that is merely kept open
// does not hold the stop up.
const drainIdle = time.Second

var (
	errRoutedSNI   = errors.New("a TLS hello that names a host with a route")
	errPlainTunnel = errors.New("neither TLS nor an HTTP/1 request, to a server that does not speak first")
)

// tunnel joins the client of a CONNECT with a host without a route, once the
// client's first bytes show that no host with a route is behind it. Bytes from
// the host flow at once, for protocols where the server speaks first. Plain
// HTTP is not tunnelled: it goes on as requests, under the rules for those; and
// no other protocol in clear, unless the server has spoken, which no server of
// HTTP does, whatever it would read as a request.
func (p *Proxy) tunnel(r *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
	v := visitOf(r.Context())
	j := newJoint(client, v.server, v.table.config.Timeouts.Idle)
	defer j.end()
	stop := context.AfterFunc(r.Context(), j.close)
	defer stop()
	hurried := context.AfterFunc(p.accepting, func() { j.wait(drainIdle) })
	defer hurried()
	if _, err := io.WriteString(client, established); err != nil {
		j.close()
		return
	}
	p.metrics.tunnels.Inc()
	defer p.metrics.tunnels.Dec()
	p.metrics.tunnelled.WithLabelValues(p.relay(r.Context(), v, client, j, stop)).Inc()
}

// What becomes of a tunnel, for metrics.
const (
	tunnelCarried = "carried"
	tunnelPlain   = "plain" // carried, by an unsafe setting
	tunnelHTTP    = "http"
	tunnelRefused = "refused"
	tunnelFailed  = "failed"
)

// relay carries an established tunnel to its end, and says what became of it.
// detach keeps the end of ctx from closing the client.
func (p *Proxy) relay(ctx context.Context, v *visit, client net.Conn, j *joint, detach func() bool) (result string) {
	down := make(chan int64, 1)
	heard := make(chan bool, 1)
	go func() { down <- j.pipe(client, &listened{v.server, heard}) }() // ends when either side is closed

	opening, err := p.readOpening(ctx, v, client)
	if err == nil && !opening.mayPass(v.table.config, heard) {
		err = errPlainTunnel
	}
	switch {
	case err != nil:
		j.close()
		<-down
		p.logPreamble(v, err)
		if errors.Is(err, errRoutedSNI) || errors.Is(err, errPlainTunnel) {
			return tunnelRefused
		}
		return tunnelFailed
	case opening.http:
		j.detached.Store(true)
		_ = v.server.Close()
		if spoke := <-down > 0; spoke || !detach() {
			j.close()
			p.logPreamble(v, errors.New("an HTTP request to a server that is not HTTP's: it spoke first"))
			return tunnelRefused
		}
		p.inner.Give(&innerConn{Conn: downstream.NewBegun(client, opening.head), door: doorConnectPlain, target: v.target, client: v.client})
		return tunnelHTTP
	default:
		up := j.pipe(v.server, downstream.NewBegun(client, opening.head))
		received := <-down
		j.close()
		result, treatment := tunnelCarried, exchange.Forwarded
		if opening.plain && v.table.config.Egress.UnsafePlainTunnels {
			result, treatment = tunnelPlain, exchange.Plaintext
			p.metrics.plaintext.WithLabelValues(routeLabel("")).Inc()
		}
		p.logTunnel(v, treatment, up, received)
		return result
	}
}

// mayPass tells whether what a client opens with may be looked at further, or
// carried. Before it says no, the server has timeouts.read_header to speak.
func (o *opening) mayPass(c *config.Config, heard <-chan bool) bool {
	if !o.plain || c.Egress.UnsafePlainTunnels {
		return true
	}
	if o.http2 {
		return false
	}
	var late <-chan time.Time // never: the tunnel's idleness ends it
	if c.Timeouts.ReadHeader > 0 {
		timer := time.NewTimer(c.Timeouts.ReadHeader)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case spoke := <-heard:
		return spoke
	case <-late:
		return false
	}
}

// listened is a server of which the first read tells whether it has spoken.
type listened struct {
	io.Reader
	heard chan<- bool // room for one; nil once told
}

// Read tells heard, once.
func (l *listened) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if l.heard != nil {
		l.heard <- n > 0
		l.heard = nil
	}
	return n, err
}

// readOpening reads a client's first bytes and refuses a TLS hello for a host
// that has a route. There is no limit on when the first byte must come but the
// tunnel's own idleness; from then on timeouts.read_header holds.
func (p *Proxy) readOpening(ctx context.Context, v *visit, client net.Conn) (*opening, error) {
	o, err := readOpening(ctx, client, v.table.config.Timeouts.ReadHeader)
	if err != nil {
		return nil, err
	}
	if o.serverName == "" {
		return o, nil
	}
	host, err := netguard.NormalHost(o.serverName)
	if err == nil {
		if claimed, _ := v.table.claim(target{host: host, port: v.target.port}, ""); claimed == nil {
			return o, nil
		}
	}
	_, _ = io.WriteString(client, accessDenied) // the connection ends either way
	return nil, errRoutedSNI
}

// joint is two connections that end together when neither has had traffic for
// some time.
type joint struct {
	client, server net.Conn
	patience       atomic.Int64 // nanoseconds without traffic
	idle           *time.Timer
	ended          atomic.Bool // nobody waits for traffic any more
	detached       atomic.Bool // the client goes on without the server
}

func newJoint(client, server net.Conn, patience time.Duration) *joint {
	if patience <= 0 {
		patience = math.MaxInt64 // never
	}
	j := &joint{client: client, server: server}
	j.patience.Store(int64(patience))
	j.idle = time.AfterFunc(patience, j.giveUp)
	return j
}

// giveUp closes two connections that had no traffic for too long, unless one of
// them goes on in another way by now.
func (j *joint) giveUp() {
	if !j.ended.Load() && !j.detached.Load() {
		j.close()
	}
}

// end stops the waiting for traffic, for good.
func (j *joint) end() {
	j.ended.Store(true)
	j.idle.Stop()
}

// wait changes how long the two may be without traffic.
func (j *joint) wait(patience time.Duration) {
	j.patience.Store(int64(patience))
	j.idle.Reset(patience)
}

func (j *joint) close() {
	_ = j.client.Close() // closing twice only says so
	_ = j.server.Close()
}

// pipe copies src to dst until src ends, then ends dst's side of it. An error
// ends both connections. It returns the bytes copied.
func (j *joint) pipe(dst net.Conn, src io.Reader) int64 {
	n, err := io.Copy(dst, busy{src, j})
	if j.detached.Load() {
		return n
	}
	if err != nil || closeWrite(dst) != nil {
		j.close()
	}
	return n
}

// busy is a reader that tells the joint of traffic.
type busy struct {
	io.Reader
	joint *joint
}

func (b busy) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 {
		b.joint.idle.Reset(time.Duration(b.joint.patience.Load()))
	}
	return n, err
}
