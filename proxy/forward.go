package proxy

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"os"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
)

// newUnrouted makes the way straight to a host without a route. forwardRouted is
// the one by a route's protocol.
func (p *Proxy) newUnrouted() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        pointUpstream,
		Transport:      roundTripper(p.direct),
		ModifyResponse: p.watchReply,
		ErrorHandler:   p.fail,
		ErrorLog:       serverLog(p.log),
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pointUpstream points a request at its upstream and leaves everything else as the
// application sent it, but for what is between it and us.
func pointUpstream(r *httputil.ProxyRequest) {
	r.Out.URL = visitOf(r.In.Context()).url
	r.Out.RequestURI = ""
	// httputil.ReverseProxy took these away. They are the application's to send;
	// we add none.
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := r.In.Header[name]; ok {
			r.Out.Header[name] = values
		}
	}
	r.Out.Header.Del("Http2-Settings") // hop-by-hop even where Connection does not name it (RFC 7540 section 3.2.1)
	if len(r.Out.Header["Upgrade"]) > 0 && onlyH2C(r.Out.Header["Upgrade"]) {
		r.Out.Header.Del("Connection")
		r.Out.Header.Del("Upgrade")
	}
}

// carry sends a request by its route's protocol.
func carry(r *http.Request) (*http.Response, error) {
	v := visitOf(r.Context())
	resp, err := v.route.protocol.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Request = r // by which checkReply finds the visit, whatever request the protocol made of it
	return resp, nil
}

// maxInterim is how many 1xx responses an upstream may send before its answer.
// Some send 102 again and again while they work.
const maxInterim = 100

var errInterim = errors.New("the upstream sends interim responses without end")

// boundInterim ends a request without a route when there are too many:
// http.Transport leaves that to whoever looks at them, and httputil.ReverseProxy
// does not.
func (v *visit) boundInterim(r *http.Request) *http.Request {
	count := 0
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			if count++; count > maxInterim {
				v.stop(errInterim) // an error from here would be lost: the outer trace's counts
			}
			return nil
		},
	}))
}

// direct carries a request to a host without a route.
func (p *Proxy) direct(r *http.Request) (*http.Response, error) {
	v := visitOf(r.Context())
	sent := time.Now()
	resp, err := v.table.direct.RoundTrip(v.boundInterim(r))
	v.record.Upstream = time.Since(sent)
	if err == nil {
		exchange.DropOwnHeaders(resp.Header)
	}
	return resp, err
}

// forward sends the request on and its reply back.
func (p *Proxy) forward(v *visit) {
	ctx, stop := context.WithCancelCause(exchange.With(v.request.Context(), v.record))
	defer stop(nil)
	v.sent, v.stop = ctx, stop
	out := v.request.WithContext(context.WithValue(ctx, visitKey{}, v))
	if v.request.ContentLength != 0 {
		v.body = newInbound(v, v.reply.control)
		v.reply.body = v.body
		out.Body = v.body
	} else {
		out.Body = http.NoBody // HTTP/2 has another body of no bytes, which transports take for one of unknown length
	}
	if v.route != nil {
		p.forwardRouted(v, out)
		return
	}
	// The application and its server may both talk at once; without this the
	// server ends the request's body with the reply's first byte.
	_ = v.reply.control.EnableFullDuplex() // HTTP/1 always can
	p.unrouted.ServeHTTP(v.reply, out)
}

// checkReply refuses what would lead a routed application past sealcar: a
// redirect, which it would follow with its content in clear, and an upgrade.
func (p *Proxy) checkReply(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_upgrade", Message: "The upstream switched protocols without being asked. Check that the route's upstream is the API server.", NoRetry: true}
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified:
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_redirect", Message: fmt.Sprintf("The upstream answered with a redirect (%d), which is not passed on: following it could send content past sealcar. Set the route's upstream to the final address.", resp.StatusCode), NoRetry: true}
	}
	return p.watchReply(resp)
}

// watchReply keeps an eye on the reply's body.
func (p *Proxy) watchReply(resp *http.Response) error {
	v := visitOf(resp.Request.Context())
	if resp.StatusCode < 100 || resp.StatusCode > 999 { // net/http reads what it does not write
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_invalid", Message: fmt.Sprintf("The upstream answered with the status %03d, which HTTP does not have.", resp.StatusCode), NoRetry: true}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil // its body is a connection, and to remain one
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && t == "text/event-stream" {
		v.record.Stream, v.streaming = true, true
		p.metrics.streams.Inc()
	}
	resp.Body = newOutbound(resp.Body, v)
	return nil
}

// fail answers a request that got no reply to pass on.
func (p *Proxy) fail(_ http.ResponseWriter, r *http.Request, err error) {
	v := visitOf(r.Context())
	_, bodyErr := v.body.state()
	late := errors.Is(bodyErr, os.ErrDeadlineExceeded) // which net/http takes for a client that is gone
	if c := cause(v.request.Context()); c != nil && !late {
		v.abort = "client_gone"
		if errors.Is(c, errDrained) {
			v.abort = "drained"
		}
		panic(http.ErrAbortHandler) // returning would send an empty 200 to whoever still reads
	}
	if c := cause(v.sent); c != nil && !late {
		err = c
	}
	v.refuse(explain(err, bodyErr, v.url.Hostname()))
}
