package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"

	"sealcar/exchange"
)

// maxInterim is how many 1xx responses an upstream may send before its answer.
// Some send 102 again and again while they work.
const maxInterim = 100

var errInterim = errors.New("the upstream sends interim responses without end")

// interim judges the 1xx responses before an answer, and ends a request that gets
// too many: who looks at them has to, for a transport then does not
// (httptrace.ClientTrace.Got1xxResponse).
type interim struct {
	visit *visit

	mu    sync.Mutex // a transport may still read when it has given up
	count int
	over  bool
}

// another counts one more.
func (i *interim) another() error {
	if i.count++; i.count > maxInterim {
		i.visit.stop(errInterim)
		return errInterim
	}
	return nil
}

// judged is for a transport that sends under a context whose own trace passes them
// on: that comes after this one's, and is the one whose error counts.
func (i *interim) judged(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		i.mu.Lock()
		defer i.mu.Unlock()
		removeHopByHop(http.Header(header)) // HTTP/2 has no such headers at all (RFC 9113 section 8.2.2)
		exchange.DropOwnHeaders(http.Header(header))
		return i.another()
	}})
}

// passed is for a transport whose interim responses are passed on here, until end.
func (i *interim) passed(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: i.pass})
}

func (i *interim) pass(status int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return nil
	}
	if err := i.another(); err != nil {
		return err
	}
	own := i.visit.reply.Header()
	before := maps.Clone(own)
	removeHopByHop(http.Header(header))
	exchange.DropOwnHeaders(http.Header(header))
	exchange.DropDetours(http.Header(header))
	maps.Copy(own, header)
	i.visit.reply.WriteHeader(status)
	clear(own)
	maps.Copy(own, before)
	return nil
}

// end is for when the answer is there.
func (i *interim) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}
