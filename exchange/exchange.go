package exchange

import (
	"context"
	"time"
)

// Treatment says what was done with a request's content.
type Treatment string

// The treatments; each request has exactly one.
const (
	Refused   Treatment = "refused"    // answered by sealcar, nothing sent
	Sealed    Treatment = "sealed"     // content sealed here, reply opened here
	AppSealed Treatment = "app_sealed" // sealed by the application itself, passed untouched
	NoContent Treatment = "no_content" // an endpoint that carries none (models, certificate)
	Plaintext Treatment = "plaintext"  // sent in clear because a setting named unsafe_… allows it
	Forwarded Treatment = "forwarded"  // not ours: a host without a route
)

// Record is filled by the goroutine that serves the request, and read by it
// once the reply is over; it is not for concurrent use.
type Record struct {
	ID       string // unique within this process's log
	Door     string // how the request came in: absolute, connect (itself), connect-tls, connect-plain, base-url
	Route    string // the route's name; "" for a host without a route
	Client   string // who the application said it is; "" where nobody is asked
	Endpoint string // the upstream path of a known endpoint; "other" for the rest, to bound cardinality
	Model    string // as the application named it

	Treatment    Treatment
	Stream       bool // the reply is an event stream
	SealedFields int  // strings sealed in the request
	OpenedFields int  // strings opened in the reply
	Retried      bool // sealed anew and sent again: the endpoint's certificate, or sealcar's own API key, had changed

	Residue       []string // paths of what left in clear beside the sealed content, the first of them
	ResidueCount  int      // all of it
	UnsafeResidue bool     // some of it is content, which an unsafe setting let through
	ReplyResidue  []string // where something in clear stood in the reply, without indices
	RepeatedTags  int      // strings of the reply whose tag is that of a string of the request, as an echo's is

	Images int // linked ones, fetched to be sealed

	ImageFetch  time.Duration // fetching them
	Certificate time.Duration // waited for the endpoint's certificate
	Seal        time.Duration // reading, checking and sealing the request
	Upstream    time.Duration // request sent until response headers arrived; the sum of both attempts if Retried
	Open        time.Duration // sum over the reply: finding and opening its strings
}

type key struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// From returns the context's Record. Without one it returns a fresh Record that
// nobody reads, so that callers need no nil check.
func From(ctx context.Context) *Record {
	if r, ok := ctx.Value(key{}).(*Record); ok {
		return r
	}
	return new(Record)
}
