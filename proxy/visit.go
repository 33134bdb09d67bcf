package proxy

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
)

// visit is one request on its way through the hall that all doors open to.
type visit struct {
	table  *table
	route  *route   // nil: a host without a route
	target target   // what was asked for; the zero value in base-URL mode
	url    *url.URL // where it goes
	start  time.Time
	record *exchange.Record
	client string // who sent it, for the log; "" if we do not ask

	errorForm func(http.Header) func(*apierror.Error) []byte

	request *http.Request // as it came in
	body    *inbound
	reply   *reply

	streaming bool     // counted as an open stream
	intercept bool     // CONNECT: to be taken apart, not tunnelled
	server    net.Conn // CONNECT: the far end of the tunnel

	refusal *apierror.Error // what we answered with in place of an upstream
	abort   string          // why the reply broke off; "" if it did not
	broken  error           // what reading the reply failed with

	sent context.Context // of the request to the upstream
	stop context.CancelCauseFunc
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}
