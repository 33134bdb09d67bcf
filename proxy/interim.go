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

// interim passes 1xx responses on until the final one is there, and bounds them: a
// transport leaves that to whoever looks at them.
type interim struct {
	visit *visit

	mu    sync.Mutex // a transport may still read when it has given up
	count int
	over  bool
}

// watch lets a transport that sends under the context tell of interim responses.
func (i *interim) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: i.pass})
}

func (i *interim) pass(status int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return nil
	}
	if i.count++; i.count > maxInterim {
		i.visit.stop(errInterim)
		return errInterim
	}
	own := i.visit.reply.Header()
	before := maps.Clone(own)
	exchange.DropOwnHeaders(http.Header(header))
	exchange.DropDetours(http.Header(header))
	maps.Copy(own, header)
	i.visit.reply.WriteHeader(status)
	clear(own)
	maps.Copy(own, before)
	return nil
}

func (i *interim) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}
