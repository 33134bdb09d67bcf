package proxy

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"

	"sealcar/apierror"
	"sealcar/exchange"
)

// forward sends the request on and its reply back: by the protocol of its route
// (routed.go), or as the application meant it (unrouted.go).
func (p *Proxy) forward(v *visit) {
	ctx, stop := context.WithCancelCause(exchange.With(v.request.Context(), v.record))
	defer stop(nil)
	v.sent, v.stop = ctx, stop
	if v.request.ContentLength != 0 {
		v.body = newInbound(v, v.reply.control)
		v.reply.body = v.body
	}
	if v.route != nil {
		p.forwardRouted(v)
	} else {
		p.forwardUnrouted(v)
	}
}

// outgoing is a copy of the request under ctx, with the body under watch.
func (v *visit) outgoing(ctx context.Context) *http.Request {
	out := v.request.WithContext(ctx)
	if v.body != nil {
		out.Body = v.body
	} else {
		out.Body = http.NoBody // HTTP/2 has another body of no bytes, which transports take for one of unknown length
	}
	return out
}

// checkStatus refuses a reply that could not be passed on: net/http reads statuses
// that it does not write.
func checkStatus(resp *http.Response) error {
	if resp.StatusCode < 100 || resp.StatusCode > 999 {
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_invalid", Message: fmt.Sprintf("The upstream answered with the status %03d, which HTTP does not have.", resp.StatusCode), NoRetry: true}
	}
	return nil
}

// watchReply keeps an eye on the reply's body, and on the trailers behind it.
func (p *Proxy) watchReply(v *visit, resp *http.Response) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return // its body is a connection, and to remain one
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && t == "text/event-stream" {
		v.record.Stream, v.streaming = true, true
		p.metrics.streams.Inc()
	}
	exchange.DropOwnHeaders(resp.Trailer) // those that are announced
	resp.Body = newOutbound(resp, v)
}

// fail answers a request that got no reply to pass on.
func (v *visit) fail(err error) {
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

// cause is why ctx ended, nil if it has not.
func cause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
