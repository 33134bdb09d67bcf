package proxy

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"sealcar/apierror"
	"sealcar/exchange"
)

// Bounds, in bytes, of texts in the log that come, whole or in part, from
// outside.
const (
	maxLogged = 128 // a name or path
	maxCause  = 256 // what an error says
)

// newIDPrefix tells the requests of this process from another's.
func newIDPrefix() string { return strings.ToLower(rand.Text()[:8]) + "-" }

func (p *Proxy) newID() string {
	return p.idPrefix + strconv.FormatUint(p.requests.Add(1), 10)
}

// finish writes the one line of a request and counts it, whether it ended well,
// was refused, or broke off.
func (p *Proxy) finish(v *visit) {
	panicked := recover()
	if panicked != nil && v.abort == "" {
		v.abort = v.whyAborted()
	}
	if v.request.Method != http.MethodConnect || v.refusal != nil { // other CONNECTs have lines, and connections, of their own
		v.reply.arm()
		p.metrics.count(v)
		p.logRequest(v)
	}
	if panicked == nil {
		return
	}
	if panicked != http.ErrAbortHandler { //nolint:errorlint // a panic's value is no error of a chain
		p.log.Error().Str("id", v.record.ID).Str("panic", fmt.Sprint(panicked)).Bytes("stack", debug.Stack()).Msg("a bug in sealcar ended this request")
	}
	if !v.request.ProtoAtLeast(1, 1) {
		reset(v.request)
	}
	panic(http.ErrAbortHandler) // the server ends the connection, so that the client sees the break
}

// whyAborted names why a reply that had begun broke off.
func (v *visit) whyAborted() string {
	c := cause(v.request.Context())
	switch {
	case errors.Is(c, errDrained):
		return "drained"
	case v.reply.err != nil && timedOut(v.reply.err):
		return "client_stalled"
	case c != nil || v.reply.err != nil:
		return "client_gone"
	case v.sent != nil && errors.Is(cause(v.sent), errStreamIdle):
		return "stream_idle"
	}
	if e, ok := errors.AsType[*apierror.Error](v.broken); ok {
		return e.Code
	}
	return "upstream_broken"
}

func (p *Proxy) logRequest(v *visit) {
	r := v.record
	requestBytes, _ := v.body.state()
	e := p.log.Info().
		Str("id", r.ID).
		Str("route", r.Route).
		Str("door", r.Door).
		Str("method", clip(v.request.Method)).
		Str("treatment", string(r.Treatment)).
		Int("status", v.status()).
		Int64("request_bytes", requestBytes).
		Int64("reply_bytes", v.reply.bytes).
		Dur("duration_ms", p.options.Now().Sub(v.start)).
		Dur("upstream_ms", r.Upstream).
		Dur("added_ms", r.ImageFetch+r.Certificate+r.Seal+r.Open)
	if v.route != nil {
		e.Str("path", clip(rawPath(v.request.URL))).
			Str("endpoint", clip(r.Endpoint)).
			Str("model", clip(r.Model)).
			Bool("stream", r.Stream).
			Int("sealed", r.SealedFields).
			Int("opened", r.OpenedFields)
		if r.Retried {
			e.Bool("retried", true)
		}
		if r.Images > 0 {
			e.Int("images", r.Images)
		}
		logClear(e, r)
	} else {
		e.Str("host", v.target.host) // no path: other services put secrets into theirs
	}
	logClient(e, v)
	if v.request.ProtoMajor > 1 {
		e.Str("protocol", v.request.Proto)
	}
	logUpstreamID(e, v)
	if v.refusal != nil {
		e.Str("code", v.refusal.Code)
		addCause(e, v.refusal.Cause)
	}
	if v.abort != "" {
		e.Str("aborted", v.abort)
		addCause(e, v.broken)
	}
	e.Msg("request")
}

// logUpstreamID tells by what id the provider knows the request, if it has answered:
// OpenAI's name for it, then Anthropic's.
func logUpstreamID(e *zerolog.Event, v *visit) {
	header := v.reply.Header()
	if id := cmp.Or(header.Get("X-Request-Id"), header.Get("Request-Id")); id != "" && v.route != nil && v.refusal == nil {
		e.Str("upstream_id", clip(id))
	}
}

// logClear tells what was in clear beside the sealed content: where, never what.
func logClear(e *zerolog.Event, r *exchange.Record) {
	if r.ResidueCount > 0 && r.Treatment != exchange.Refused {
		e.Strs("residue", r.Residue).Int("residue_count", r.ResidueCount).Bool("residue_unsafe", r.UnsafeResidue)
	}
	if len(r.ReplyResidue) > 0 {
		e.Strs("reply_residue", r.ReplyResidue)
	}
	if r.RepeatedTags > 0 {
		e.Int("repeated_tags", r.RepeatedTags)
	}
}

// statusClientGone is what nginx logs when nobody was left to answer.
const statusClientGone = 499

func (v *visit) status() int {
	if v.reply.status == 0 && v.abort != "" {
		return statusClientGone
	}
	return v.reply.status
}

// logPreamble tells of a CONNECT that came to nothing.
func (p *Proxy) logPreamble(v *visit, err error) {
	level := zerolog.WarnLevel
	if errors.Is(err, errLeft) {
		level = zerolog.InfoLevel
	}
	e := p.log.WithLevel(level).Str("id", v.record.ID).Str("route", v.record.Route).Str("host", v.target.host).Str(zerolog.ErrorFieldName, causeText(err))
	if errors.Is(err, errRoutedSNI) {
		p.metrics.refused.WithLabelValues(routeLabel(""), "routed_host_in_tunnel").Inc()
		e.Str("code", "routed_host_in_tunnel").Msg("tunnel refused: it leads to a host with a route; connect to that host by its name")
		return
	}
	if errors.Is(err, errPlainTunnel) {
		p.metrics.refused.WithLabelValues(routeLabel(""), "plain_tunnel").Inc()
		e.Str("code", "plain_tunnel").Msg("tunnel refused: what it would carry is not encrypted; use TLS, or set egress.unsafe_plain_tunnels")
		return
	}
	if errors.Is(err, errNotTrusted) {
		e.Str("ca", p.CAFiles().CA).Msg("the application ended the TLS handshake: does it trust sealcar's CA?")
		return
	}
	if errors.Is(err, errLeft) {
		e.Str("ca", p.CAFiles().CA).Msg("the application left during the TLS handshake; should it complain of a certificate, have it trust sealcar's CA")
		return
	}
	e.Msg("connection ended before its first request")
}

func (p *Proxy) logTunnel(v *visit, t exchange.Treatment, up, down int64) {
	e := p.log.Info().
		Str("id", v.record.ID).
		Str("door", doorConnect).
		Str("host", v.target.host).
		Str("treatment", string(t)).
		Int64("request_bytes", up).
		Int64("reply_bytes", down).
		Dur("duration_ms", p.options.Now().Sub(v.start))
	logClient(e, v)
	e.Msg("tunnel")
}

func logClient(e *zerolog.Event, v *visit) {
	if v.client != "" {
		e.Str("client", clip(v.client))
	}
}

// clip bounds a text from outside. zerolog escapes what it holds, in JSON and
// on the console.
func clip(s string) string { return clipTo(s, maxLogged) }

func clipTo(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") // the cut may be inside a character
}

func addCause(e *zerolog.Event, err error) {
	if err != nil {
		e.Str("cause", causeText(err))
	}
}

// causeText is what an error says, bounded and without the bytes of the peer
// that net/http quotes in it: they may be content.
func causeText(err error) string { return peerless(err.Error()) }

func peerless(text string) string { return clipTo(apierror.Peerless(text), maxCause) }

// printfLog is goproxy's logger. Its lines can hold what requests hold, so they
// are for debugging only.
type printfLog struct{ log zerolog.Logger }

// Printf logs one line, as a field: a message is not escaped on the console.
func (l printfLog) Printf(format string, args ...any) {
	l.log.Debug().Str("said", peerless(strings.TrimSpace(fmt.Sprintf(format, args...)))).Msg("goproxy")
}

// serverLog gives net/http's complaints, which are mostly about clients, to
// zerolog at debug level.
func serverLog(l zerolog.Logger) *log.Logger {
	return log.New(lineWriter{l}, "", 0)
}

type lineWriter struct{ log zerolog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.log.Debug().Str("said", peerless(strings.TrimSpace(string(line)))).Msg("net/http")
	return len(line), nil
}
