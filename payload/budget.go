package payload

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// Budget bounds what the bodies of all exchanges take up in memory together.
type Budget struct {
	Setting string // how messages call the limit; "" means limits.buffered_bytes

	limit int64
	used  atomic.Int64
}

// NewBudget is a budget of so many bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// setting names the limit, and its bytes.
func (b *Budget) setting() string {
	return fmt.Sprintf("%s (%d bytes)", cmp.Or(b.Setting, "limits.buffered_bytes"), b.limit)
}

// Used is how many bytes are taken.
func (b *Budget) Used() int64 { return b.used.Load() }

// Within gives what next carries a lease of the budget each, from the request
// until its reply is closed.
func (b *Budget) Within(next http.RoundTripper) http.RoundTripper { return within{b, next} }

type within struct {
	budget *Budget
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, l := w.budget.lease(req.Context())
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		l.end()
		return nil, err
	}
	l.settle()
	resp.Body = &leasedBody{ReadCloser: resp.Body, lease: l}
	return resp, nil
}

// leasedBody is the reply with which a lease ends.
type leasedBody struct {
	io.ReadCloser
	lease *lease
}

// Close closes the body and gives back what the exchange took.
func (b *leasedBody) Close() error {
	defer b.lease.end()
	return b.ReadCloser.Close()
}

// Hold gives what is done with the context a lease of the budget, until release.
// It is for those who answer requests themselves.
func (b *Budget) Hold(ctx context.Context) (leased context.Context, release func()) {
	leased, l := b.lease(ctx)
	return leased, l.end
}

func (b *Budget) lease(ctx context.Context) (context.Context, *lease) {
	l := &lease{budget: b}
	return context.WithValue(ctx, leaseKey{}, l), l
}
