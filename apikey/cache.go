package apikey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sealcar/apierror"
	"sealcar/backoff"
)

// When keys are renewed, before they expire; those that last for less than a
// few of these at a share of their life. The times are those of the vendor's SDKs.
const (
	advisory  = 30 * time.Minute // from then on in the background
	mandatory = 10 * time.Minute // from then on requests wait for it
	spread    = 5 * time.Minute  // the advisory time varies, so that a fleet does not ask at once
)

// minAge is how old a key must be before a refusal makes us ask for another: one
// that is refused from the beginning is not the reason.
const minAge = time.Minute

// After an attempt that failed the next one waits.
const (
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
)

// maxModel bounds the names that keys are asked for, in bytes: applications
// choose them.
const maxModel = 256

// CacheConfig is what NewCache needs to know.
type CacheConfig struct {
	Issue   func(ctx context.Context, r Resource) (Key, error) // required
	Timeout time.Duration                                      // of one Issue; 0 = 10 s
	Size    int                                                // keys in memory; 0 = 256
	Now     func() time.Time                                   // nil = time.Now
	Jitter  backoff.Jitter                                     // spreads renewals; nil = none
	Report  func(error)                                        // told of failed renewals that cost no request; nil = nobody is told
}

// Cache keeps a temporary key for each resource and renews it before it expires.
// However many requests wait for a key, it is asked for once. Nothing is kept on
// disk. Close ends it.
type Cache struct {
	config   CacheConfig
	failures *backoff.Table[Resource]

	running sync.WaitGroup
	life    context.Context // of the Cache, not of a request
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	uses    uint64
	entries map[Resource]*entry
}

// entry is one resource's key and what is known of the attempts to get it.
// Guarded by Cache.mu.
type entry struct {
	key    Key
	issued time.Time
	advise time.Time     // renew in the background from then on
	must   time.Time     // wait for a renewal from then on
	used   uint64        // by Cache.uses: the clock by which entries are old
	flight chan struct{} // closed at the end of the attempt that is under way; nil: none is
	err    error         // of the last attempt
}

// NewCache makes an empty cache.
func NewCache(config CacheConfig) *Cache {
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Size <= 0 {
		config.Size = 256
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(error) {}
	}
	c := &Cache{config: config, entries: map[Resource]*entry{}, failures: backoff.New[Resource](backoff.Config{
		First: firstBackoff, Max: lastBackoff, Size: config.Size, Now: config.Now,
	})}
	c.life, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends running attempts and waits for them. Keys asked for after that come
// from memory or not at all.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
}

// Credential implements ark.Credentials. For a request without a model it gives
// the key that was used last, "" if there is none. Its errors are
// *apierror.Error, but for that of a ctx that has ended.
func (c *Cache) Credential(ctx context.Context, model string) (string, error) {
	if model == "" {
		return c.any(), nil
	}
	if len(model) > maxModel {
		return "", &apierror.Error{
			Status: http.StatusBadRequest, Code: "invalid_model", Param: "model",
			Message: fmt.Sprintf("the model name is longer than %d bytes; send the name or endpoint id (ep-…) of a model", maxModel),
		}
	}
	e, flight := c.look(ResourceOf(model)) //nolint:contextcheck // an attempt outlives the request that came first
	return c.await(ctx, model, e, flight)
}

// Renew implements ark.Credentials.
func (c *Cache) Renew(ctx context.Context, model, stale string) (key string, changed bool, err error) {
	e, flight := c.doubt(ResourceOf(model), stale) //nolint:contextcheck // as above
	key, err = c.await(ctx, model, e, flight)
	return key, key != stale, err
}

// await gives the key of an entry once flight, if any, has landed.
func (c *Cache) await(ctx context.Context, model string, e *entry, flight <-chan struct{}) (string, error) {
	if flight != nil {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for the API key of model %.100q: %w", model, ctx.Err())
		case <-flight:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.usable(c.config.Now()) {
		return e.key.Value, nil
	}
	if e.err == nil { // this machine's clock was set on while we waited
		return "", unavailable("sealcar's API key has expired just now; try again", nil)
	}
	return "", e.err
}

// look finds the entry of a resource, starts an attempt if one is due, and gives
// what is to be waited for before the entry is used; nil for nothing.
func (c *Cache) look(r Resource) (*entry, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entry(r), c.config.Now()
	due := !e.usable(now) || !now.Before(e.advise)
	if due && e.flight == nil {
		c.start(r, e)
	}
	if e.usable(now) && now.Before(e.must) {
		return e, nil
	}
	return e, e.flight
}

// doubt is look for a key that was refused: if it is the one there is and not
// quite new, an attempt is due and to be waited for.
func (c *Cache) doubt(r Resource, stale string) (*entry, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entry(r), c.config.Now()
	if e.key.Value != stale && e.usable(now) {
		return e, nil
	}
	if e.flight == nil && !now.Before(e.issued.Add(minAge)) {
		c.start(r, e)
	}
	return e, e.flight
}

// entry finds or makes the entry of a resource. Of too many the one that was
// used least recently goes; whoever waits for it still gets its key.
func (c *Cache) entry(r Resource) *entry {
	c.uses++
	if e, ok := c.entries[r]; ok {
		e.used = c.uses
		return e
	}
	if len(c.entries) >= c.config.Size {
		oldest, used := Resource{}, c.uses
		for r, e := range c.entries {
			if e.used < used {
				oldest, used = r, e.used
			}
		}
		delete(c.entries, oldest)
	}
	e := &entry{used: c.uses}
	c.entries[r] = e
	return e
}

func (e *entry) usable(now time.Time) bool { return e.key.Value != "" && now.Before(e.key.Expires) }

var errClosed = errors.New("the cache of API keys is closed")

// start begins an attempt, unless one has failed just now. It runs under the Cache's own time limit: the request
// that came first may go, the others still want the key.
func (c *Cache) start(r Resource, e *entry) {
	if c.closed {
		e.err = unavailable("sealcar is stopping or has a new configuration; try again", errClosed)
		return
	}
	if failed, wait := c.failures.Waiting(r); wait {
		e.err = failed.Err // also of an entry that was forgotten in between
		return
	}
	flight := make(chan struct{})
	e.flight = flight
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.life, c.config.Timeout)
		defer cancel()
		key, err := c.config.Issue(ctx, r)
		c.land(r, e, key, err)
		close(flight)
	})
}

// land notes what an attempt came to.
func (c *Cache) land(r Resource, e *entry, key Key, err error) {
	c.mu.Lock()
	now := c.config.Now()
	e.flight = nil
	e.err = err
	if err == nil {
		left := key.Expires.Sub(now)
		vary := c.config.Jitter.Of(min(spread, left/12))
		e.key, e.issued = key, now
		e.advise = key.Expires.Add(-min(advisory, left/2) - vary)
		e.must = key.Expires.Add(-min(mandatory, left/6))
		c.failures.Reset(r)
	} else {
		c.failures.Fail(r, err)
	}
	serves, until := e.usable(now), e.key.Expires
	c.mu.Unlock()
	if err != nil && serves {
		c.config.Report(fmt.Errorf("renewing the API key of %s %.100q, the one there is serves on until %s: %w", r.Type, r.ID, until.UTC().Format(time.RFC3339), err))
	}
}

// any is the usable key that was used last.
func (c *Cache) any() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last *entry
	for _, e := range c.entries {
		if e.usable(c.config.Now()) && (last == nil || e.used > last.used) {
			last = e
		}
	}
	if last == nil {
		return ""
	}
	return last.key.Value
}
