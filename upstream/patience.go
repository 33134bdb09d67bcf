package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Patient gives up a request of next that makes no progress for so long, until
// its reply begins: neither a byte of its body is taken nor an answer comes. It is
// for HTTP/2, where an upstream may hold requests up for ever by its SETTINGS
// (RFC 9113 section 6.5.2) and http.Transport.ResponseHeaderTimeout only begins
// when a request is out.
func Patient(next http.RoundTripper, patience time.Duration) http.RoundTripper {
	return patient{next, patience}
}

type patient struct {
	next     http.RoundTripper
	patience time.Duration
}

// errNoProgress is a net.Error that timed out.
type errNoProgress struct{}

func (errNoProgress) Error() string   { return "the upstream takes no request" }
func (errNoProgress) Timeout() bool   { return true }
func (errNoProgress) Temporary() bool { return true }

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, stop := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(p.patience, func() { stop(errNoProgress{}) })
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = progressing{req.Body, timer, p.patience}
	}
	if get := req.GetBody; get != nil {
		out.GetBody = func() (io.ReadCloser, error) {
			body, err := get()
			return progressing{body, timer, p.patience}, err
		}
	}
	resp, err := p.next.RoundTrip(out)
	timer.Stop()
	if err != nil {
		if c, ok := errors.AsType[errNoProgress](context.Cause(ctx)); ok {
			err = c // HTTP/2 says only that the context was cancelled
		}
		stop(nil)
		return nil, err
	}
	resp.Body = stopping{resp.Body, stop}
	return resp, nil
}

// progressing is a body each read of which is progress.
type progressing struct {
	io.ReadCloser
	timer    *time.Timer
	patience time.Duration
}

func (b progressing) Read(p []byte) (int, error) {
	if b.timer.Stop() { // it is over once the reply has begun
		b.timer.Reset(b.patience)
	}
	return b.ReadCloser.Read(p)
}

// stopping is a reply with which the request's context ends.
type stopping struct {
	io.ReadCloser
	stop context.CancelCauseFunc
}

// Close closes the reply.
func (b stopping) Close() error {
	defer b.stop(nil)
	return b.ReadCloser.Close()
}
