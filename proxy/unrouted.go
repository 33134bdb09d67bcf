package proxy

import (
	"context"
	"net/http"
	"net/http/httputil"
	"time"

	"sealcar/exchange"
)

// forwardUnrouted sends a request to a host without a route and its reply back, by
// httputil.ReverseProxy: what is not ours may be anything, upgrades included.
func (p *Proxy) forwardUnrouted(v *visit) {
	// The application and its server may both talk at once; without this the
	// server ends the request's body with the reply's first byte.
	_ = v.reply.control.EnableFullDuplex() // HTTP/1 always can
	p.unrouted.ServeHTTP(v.reply, v.outgoing(context.WithValue(v.sent, visitKey{}, v)))
}

// newUnrouted is the one ReverseProxy of all requests: its hooks have their visit
// from the request's context.
func (p *Proxy) newUnrouted() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { visitOf(r.In.Context()).pointUnrouted(r) },
		Transport:      roundTripper(func(r *http.Request) (*http.Response, error) { return visitOf(r.Context()).sendUnrouted(r) }),
		ModifyResponse: func(resp *http.Response) error { return p.receiveUnrouted(visitOf(resp.Request.Context()), resp) },
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { visitOf(r.Context()).fail(err) },
		ErrorLog:       serverLog(p.log),
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pointUnrouted points a request at its upstream and leaves everything else as the
// application sent it, but for what is between it and us.
func (v *visit) pointUnrouted(r *httputil.ProxyRequest) {
	r.Out.URL = v.url
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

// sendUnrouted carries a request to its host. httputil.ReverseProxy passes interim
// responses on, once they have been looked at here.
func (v *visit) sendUnrouted(r *http.Request) (*http.Response, error) {
	early := &interim{visit: v}
	sent := time.Now()
	resp, err := v.table.direct.RoundTrip(r.WithContext(early.judged(r.Context())))
	v.record.Upstream = time.Since(sent)
	if err == nil {
		exchange.DropOwnHeaders(resp.Header)
	}
	return resp, err
}

// receiveUnrouted looks at a reply before it is copied.
func (p *Proxy) receiveUnrouted(v *visit, resp *http.Response) error {
	if err := checkStatus(resp); err != nil {
		return err
	}
	p.watchReply(v, resp)
	return nil
}
