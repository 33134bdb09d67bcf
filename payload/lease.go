package payload

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sealcar/apierror"
)

// What a byte of a body costs, for it is not in memory once: while it is read, its
// buffer and the smaller one before it; then a request as it came, one string of
// it, and sealed, which base64 makes longer by a third; a reply as it came, with
// room that was not needed, and opened; an event in its buffer, joined, opened, and
// put together again. sendingCost is that of a sealed request. What a translation
// keeps is there as it came, joined, and several times in what it writes at the
// end.
const (
	readingCost = 2
	requestCost = 4
	sendingCost = 3
	replyCost   = 3
	eventCost   = 4
	keptCost    = 8
)

// fullPause is what clients are asked to wait when other bodies have taken the
// budget.
const fullPause = time.Second

// lease is what one exchange has taken of a budget. A nil lease is without
// bounds.
type lease struct {
	budget *Budget

	mu      sync.Mutex
	request int64
	work    int64 // what the request is read into, until it is sent
	reply   int64
	kept    int64 // of the reply, by those who translate it
	sent    bool  // what was last sent is held no more
	ended   bool
}

type leaseKey struct{}

// leaseOf is the lease of an exchange; nil if it has none.
func leaseOf(ctx context.Context) *lease {
	l, _ := ctx.Value(leaseKey{}).(*lease)
	return l
}

// leaseOfReply is that of a reply.
func leaseOfReply(resp *http.Response) *lease {
	if resp.Request == nil {
		return nil
	}
	return leaseOf(resp.Request.Context())
}

// forReading makes the lease large enough for n bytes of a request that is being
// read. Slow ones should not keep others waiting for what they may need later.
func (l *lease) forReading(n int64) error { return l.forRequest(n, readingCost) }

// forRequest makes it large enough for a request of n bytes.
func (l *lease) forRequest(n, cost int64) error {
	if l == nil {
		return nil
	}
	if n > l.budget.limit/cost {
		return &apierror.Error{
			Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
			Message: fmt.Sprintf("the request body needs %d times its size in memory, which is more than %s allows; nothing was sent; send less, or raise the limit and the memory with it", cost, l.budget.setting()),
		}
	}
	return l.take(&l.request, n*cost)
}

// forPart makes it larger by n bytes of what is being read to become part of the
// request.
func (l *lease) forPart(n int64) error { return l.forMore(n * readingCost) }

// forMore makes it larger by n bytes.
func (l *lease) forMore(n int64) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.request+n > l.budget.limit {
		return &apierror.Error{
			Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
			Message: fmt.Sprintf("with what it links or has many of, the request needs more memory than %s allows; nothing was sent; send less, or raise the limit and the memory with it", l.budget.setting()),
		}
	}
	return l.add(&l.request, n)
}

// fits is an error if a request body of n bytes does not fit by now, so that not
// a byte of it need be read.
func (l *lease) fits(n int64) error {
	if l == nil || n <= 0 {
		return nil
	}
	if err := l.forRequest(n, requestCost); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBack(&l.request)
	return nil
}

// giveBack empties one of the parts. The caller holds l.mu.
func (l *lease) giveBack(part *int64) {
	l.budget.used.Add(-*part)
	*part = 0
}

// forSending makes it large enough to send n bytes, be it for a second time.
func (l *lease) forSending(n int) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	l.sent = false
	l.giveBack(&l.work)
	l.mu.Unlock()
	return l.take(&l.request, min(int64(n)*sendingCost, l.budget.limit)) // what could be read can be sent
}

// forReply makes it large enough for a reply of n bytes.
func (l *lease) forReply(n int64) error {
	if l == nil {
		return nil
	}
	return l.forOpening(&l.reply, n, replyCost)
}

// forReadingReply is forReading for a reply.
func (l *lease) forReadingReply(n int64) error {
	if l == nil {
		return nil
	}
	return l.forOpening(&l.reply, n, readingCost)
}

func (l *lease) forOpening(part *int64, n, cost int64) error {
	if n > l.budget.limit/cost {
		return l.replyTooLarge(cost)
	}
	return l.take(part, n*cost)
}

func (l *lease) replyTooLarge(cost int64) error {
	return apierror.BadReply("reply_too_large", fmt.Sprintf("the upstream's reply needs %d times its size in memory, which is more than %s allows; raise the limit and the memory with it", cost, l.budget.setting()), nil)
}

// EventRoom is asked before the buffer of resp's events grows to n bytes.
func EventRoom(resp *http.Response) func(n int) error {
	l := leaseOfReply(resp)
	return func(n int) error {
		if l == nil {
			return nil
		}
		return l.take(&l.reply, int64(n)*eventCost)
	}
}

// KeepRoom is asked before what one who rewrites resp keeps for it, besides the
// event or document in hand, grows to n bytes.
func KeepRoom(resp *http.Response) func(n int64) error {
	l, kept := leaseOfReply(resp), int64(0)
	return func(n int64) error {
		if l == nil || n <= kept {
			return nil
		}
		if err := l.forKeeping(n, n-kept); err != nil {
			return err
		}
		kept = n
		return nil
	}
}

// forKeeping makes it larger by the last bytes of the n that one keeps.
func (l *lease) forKeeping(n, last int64) error {
	if n > l.budget.limit/keptCost {
		return l.replyTooLarge(keptCost)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(&l.kept, last*keptCost)
}

// WorkRoom is asked before what the request of a context is read into, besides
// its body, grows to n bytes. It is let go when a request is sent.
func WorkRoom(ctx context.Context) func(n int64) error {
	l := leaseOf(ctx)
	return func(n int64) error {
		if l == nil {
			return nil
		}
		return l.forWork(n)
	}
}

func (l *lease) forWork(n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.request+n > l.budget.limit {
		return &apierror.Error{
			Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
			Message: fmt.Sprintf("the request has so many values, or so much that is read anew, that it needs more memory than %s allows; nothing was sent; send less, or raise the limit and the memory with it", l.budget.setting()),
		}
	}
	return l.add(&l.work, n-l.work)
}

// take makes one of the parts as large as need.
func (l *lease) take(part *int64, need int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(part, need-*part)
}

// add makes one of the parts larger, if more is above 0. The caller holds l.mu.
func (l *lease) add(part *int64, more int64) error {
	if more <= 0 {
		return nil
	}
	if used := l.budget.used.Add(more); used > l.budget.limit || l.ended {
		l.budget.used.Add(-more)
		return &apierror.Error{
			Status: http.StatusServiceUnavailable, Code: "buffers_full", RetryAfter: fullPause,
			Message: "the bodies of other requests take up the memory that " + l.budget.setting() + " allows; try again when some have ended",
		}
	}
	*part += more
	return nil
}

// isSent notes that the n bytes that were sent are held no more. What they were
// made of is, until it is certain that they need not be made again.
func (l *lease) isSent(n int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = true
	if spare := l.request - int64(n); spare > 0 && !l.ended {
		l.request -= spare
		l.budget.used.Add(-spare)
	}
}

// settle gives back what the request took if it is held no more: the reply can
// stream for long.
func (l *lease) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent {
		l.giveBack(&l.request)
	}
}

// end gives back everything, for good.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.giveBack(&l.request)
	l.giveBack(&l.work)
	l.giveBack(&l.reply)
	l.giveBack(&l.kept)
}
