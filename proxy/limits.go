package proxy

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"sealcar/apierror"
)

// overloadPause is what clients are asked to wait when there is no place for
// them; a place is free as soon as any request ends.
const overloadPause = time.Second

// forwardIfRoom forwards a request if limits.requests has a place for it. There is
// no queue: an application that is told to wait can, one that is not told waits
// behind others until it gives up.
func (p *Proxy) forwardIfRoom(v *visit) {
	defer p.inFlight.Add(-1)
	if p.inFlight.Add(1) > int64(v.table.config.Limits.Requests) {
		v.refuse(&apierror.Error{
			Status: http.StatusServiceUnavailable, Code: "too_many_requests",
			Message:    "As many requests are in flight as limits.requests allows. Try again when some have ended, or raise the limit.",
			RetryAfter: overloadPause,
		})
		return
	}
	p.forward(v)
}

// tooManyConnections is the answer to a connection that there is no place for:
// whatever its first request is going to be.
func tooManyConnections() string {
	e := &apierror.Error{
		Status: http.StatusServiceUnavailable, Code: "too_many_connections",
		Message:    "As many connections are open as limits.connections allows. Close idle ones and try again, or raise the limit.",
		RetryAfter: overloadPause,
	}
	answer := canned{header: make(http.Header)}
	e.Write(&answer)
	return answer.text()
}

// canned is a ResponseWriter that makes a whole HTTP/1.1 response of one error.
type canned struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header gives the headers.
func (c *canned) Header() http.Header { return c.header }

// WriteHeader notes the status.
func (c *canned) WriteHeader(status int) { c.status = status }

func (c *canned) Write(b []byte) (int, error) { return c.body.Write(b) }

// text is the response, after which the connection ends.
func (c *canned) text() string {
	resp := http.Response{
		StatusCode: c.status, ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header: c.header, ContentLength: int64(c.body.Len()), Body: io.NopCloser(&c.body),
	}
	var out bytes.Buffer
	_ = resp.Write(&out) // a buffer takes everything
	return out.String()
}

// load is what is open at the moment, for metrics.
func (p *Proxy) load() (connections, requests int64) {
	return p.listener.open.Load(), p.inFlight.Load()
}
