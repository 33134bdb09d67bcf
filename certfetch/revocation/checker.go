package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"sealcar/backoff"
	"sealcar/lru"
)

// What one certificate may make us do.
const (
	maxAddresses = 3       // of each kind, that are asked
	maxOCSP      = 8 << 10 // bytes of a response; real ones have under 4 KiB, and the key in it is used before it is trusted
	memory       = 128     // statements kept
)

// Config is what New needs to know.
type Config struct {
	Client   *http.Client     // required; its Transport decides where we may go, redirects are never followed
	Timeout  time.Duration    // of one Check, however much it asks; addresses of the same kind share it; 0 = 3 s
	MaxBytes int64            // of one CRL; 0 = 4 MiB
	Skew     time.Duration    // tolerated on thisUpdate and nextUpdate; 0 = none
	Now      func() time.Time // nil = time.Now
	Jitter   backoff.Jitter   // spreads refreshes and retries; nil = none
}

// Checker asks for revocation and remembers the answers. Safe for concurrent
// use; it runs nothing in the background.
type Checker struct {
	config Config
	flight singleflight.Group
	faults *backoff.Table[string] // by host if it cannot be reached, else by question

	mu         sync.Mutex
	statements *lru.Map[string, *statement] // by question
}

// New makes a Checker that knows nothing yet.
func New(c Config) (*Checker, error) {
	if c.Client == nil {
		return nil, errors.New("revocation: Client is required")
	}
	if c.Timeout <= 0 {
		c.Timeout = 3 * time.Second
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 4 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	return &Checker{
		config:     c,
		faults:     backoff.New[string](backoff.Config{First: 10 * time.Second, Max: 5 * time.Minute, Now: c.Now, Jitter: c.Jitter}),
		statements: lru.New[string, *statement](memory),
	}, nil
}

// Check judges a path that has been verified, leaf first, trust anchor last;
// the anchor itself is not asked about, for nothing above it could take it
// back. What is known and not due is answered from memory; for the rest it
// waits, at most Config.Timeout.
func (c *Checker) Check(ctx context.Context, path []*x509.Certificate) Status {
	if len(path) < 2 {
		return Status{Verdict: Unknown, Reason: "the path has no issuer to ask", Due: c.config.Now().Add(latestRefresh)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	statuses := make([]Status, len(path)-1)
	var asking sync.WaitGroup
	for i := range statuses {
		asking.Go(func() { statuses[i] = c.certificate(ctx, path[i], path[i+1]) })
	}
	asking.Wait()
	all := statuses[0]
	for _, s := range statuses[1:] {
		all = both(all, s)
	}
	return all
}

// certificate asks every kind of source that cert names, at the same time.
func (c *Checker) certificate(ctx context.Context, cert, issuer *x509.Certificate) Status {
	kinds := questions(cert, issuer)
	if len(kinds) == 0 {
		return Status{
			Verdict: Unknown, Due: c.config.Now().Add(latestRefresh),
			Reason: fmt.Sprintf("certificate %x names no CRL and no OCSP responder", cert.SerialNumber),
		}
	}
	statuses := make([]Status, len(kinds))
	var asking sync.WaitGroup
	for i, addresses := range kinds {
		asking.Go(func() { statuses[i] = c.first(ctx, addresses) })
	}
	asking.Wait()
	all := statuses[0]
	for _, s := range statuses[1:] {
		all = either(all, s)
	}
	return all
}

// first asks at one address after the other until one knows. Each has its share
// of the time that is left, so that one that hangs leaves the next its own.
func (c *Checker) first(ctx context.Context, questions []question) Status {
	all := c.askWithin(ctx, len(questions), questions[0])
	for i, q := range questions[1:] {
		if all.Verdict != Unknown {
			break
		}
		all = either(all, c.askWithin(ctx, len(questions)-i-1, q))
	}
	return all
}

// askWithin is ask within one share of the time that ctx has left. Check has
// given it a deadline.
func (c *Checker) askWithin(ctx context.Context, shares int, q question) Status {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
		defer cancel()
	}
	return c.ask(ctx, q)
}

// ask answers from memory, or asks; if that fails, what is held serves on until
// its nextUpdate, and beyond it where it revokes for good.
func (c *Checker) ask(ctx context.Context, q question) Status {
	held := c.held(q)
	now := c.config.Now()
	if held != nil && now.Before(held.due) && !now.Before(held.thisUpdate.Add(-c.config.Skew)) {
		return held.judge(q.cert)
	}
	made, err, _ := c.flight.Do(q.key, func() (any, error) { return c.refresh(ctx, q, held) })
	if err == nil {
		return made.(*statement).judge(q.cert)
	}
	retry := now.Add(soonestRefresh)
	if f, ok := c.waiting(q); ok {
		retry = f.Until
	}
	if held != nil && (held.inForce(now, c.config.Skew) == nil || held.revokesForGood(q.cert)) {
		s := held.judge(q.cert)
		s.Due = retry
		return s
	}
	return Status{Verdict: Unknown, Due: retry, Reason: fmt.Sprintf("%s: %v", q.by(), err)}
}

// refresh fetches a statement, unless that has just failed.
func (c *Checker) refresh(ctx context.Context, q question, held *statement) (*statement, error) {
	if f, ok := c.waiting(q); ok {
		return nil, f.Err
	}
	body, err := c.fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	s, err := q.read(body)
	if err == nil {
		err = s.inForce(c.config.Now(), c.config.Skew)
	}
	if err == nil && held != nil && s.thisUpdate.Before(held.thisUpdate) {
		err = fmt.Errorf("it is older (thisUpdate %s) than the one of before", s.thisUpdate.UTC().Format(time.RFC3339))
	}
	if err != nil {
		c.faults.Fail(q.key, err)
		return nil, err
	}
	s.by = q.by()
	s.due = refreshAt(c.config.Now(), s.nextUpdate, c.config.Jitter)
	c.faults.Reset(q.key)
	c.faults.Reset(q.host)
	c.hold(q, s)
	return s, nil
}

// waiting says why q is not to be asked now: its host or its answer was at fault.
func (c *Checker) waiting(q question) (backoff.Failure, bool) {
	if f, ok := c.faults.Waiting(q.host); ok {
		return f, true
	}
	return c.faults.Waiting(q.key)
}

func (c *Checker) held(q question) *statement {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, _ := c.statements.Get(q.key)
	return s
}

func (c *Checker) hold(q question, s *statement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements.Put(q.key, s)
}
