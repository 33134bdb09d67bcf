package proxy

import (
	"errors"
	"io"
	"math"
	"net/http"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
)

var errStreamIdle = errors.New("the upstream sent nothing for timeouts.stream_idle")

// outbound is an upstream's reply body: a read that takes too long, or a stream
// that has no end, ends the request. It remembers what it failed with, and at its
// end takes sealcar's own names out of the trailers.
type outbound struct {
	io.ReadCloser
	reply    *http.Response // which has its trailers once the body has been read
	visit    *visit
	patience time.Duration
	timer    *time.Timer // nil before the first read, or without patience
	left     int64       // bytes that may still come
}

func newOutbound(resp *http.Response, v *visit) *outbound {
	patience := v.table.config.Timeouts.StreamIdle
	o := &outbound{ReadCloser: resp.Body, reply: resp, visit: v, patience: patience, left: math.MaxInt64}
	if v.streaming && v.route != nil {
		o.left = int64(v.table.config.Limits.StreamBytes)
	}
	return o
}

func (o *outbound) Read(p []byte) (int, error) {
	if o.patience > 0 {
		o.arm()
		defer o.timer.Stop()
	}
	n, err := o.ReadCloser.Read(p)
	if o.left -= int64(n); o.left < 0 {
		n, err = 0, &apierror.Error{Status: http.StatusBadGateway, Code: "stream_too_large", Message: "the upstream's stream is over limits.stream_bytes"}
	}
	switch {
	case errors.Is(err, io.EOF):
		exchange.DropOwnHeaders(o.reply.Trailer)
	case err != nil:
		o.visit.broken = err
	}
	return n, err
}

// arm bounds the next read.
func (o *outbound) arm() {
	if o.timer == nil {
		o.timer = time.AfterFunc(o.patience, func() { o.visit.stop(errStreamIdle) })
		return
	}
	o.timer.Reset(o.patience)
}
