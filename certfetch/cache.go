package certfetch

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// maxModel bounds the model names that are looked up, in bytes: they are keys
// of the cache, and applications choose them.
const maxModel = 256

// CacheConfig is what NewCache needs to know.
type CacheConfig struct {
	Source   Source           // required
	Verifier *Verifier        // required
	Scope    string           // where the certificates are from (the upstream's host); two scopes never share an entry
	Dir      string           // entries survive a restart here; made if missing; "" = memory only
	MaxAge   time.Duration    // asked for anew after this long; 0 = 24 h
	Size     int              // entries in memory, and on disk; 0 = 1024
	Timeout  time.Duration    // of one fetch; 0 = 10 s
	Backoff  time.Duration    // between attempts to renew a certificate that is still in force; 0 = 30 s
	Now      func() time.Time // nil = time.Now
	Report   func(error)      // told of faults that cost no request: bad cache files, failed renewals; nil = nobody is told
}

// Cache is an ark.Certificates that remembers. However many requests wait for
// a certificate, it is fetched once; a waiter that gives up leaves the fetch to
// the others. A certificate older than MaxAge is fetched anew; if that fails,
// the old one serves on until it expires, and never longer.
type Cache struct {
	config CacheConfig
	disk   *disk // nil = memory only
	flight singleflight.Group

	fetching sync.WaitGroup
	fetches  context.Context // the life of the Cache, not of a request
	stop     context.CancelFunc

	mu      sync.Mutex
	closed  bool
	entries lru[key, *entry]
	cooling map[string]coolDown
}

// key is what tells two certificates apart within a Scope.
type key struct {
	model string
	aicc  bool
}

// entry is a verified certificate and what is needed to judge it again.
// Immutable.
type entry struct {
	certificate *ark.Certificate
	chain       []*x509.Certificate // as fetched, leaf first
	fetched     time.Time
	retry       time.Time // a renewal failed: not again before this
}

var errClosed = errors.New("the certificate cache is closed")

// NewCache opens a cache. It refuses a directory that is a symbolic link or
// that anybody but its owner may use. Close ends it.
func NewCache(config CacheConfig) (*Cache, error) {
	if config.Source == nil || config.Verifier == nil {
		return nil, errors.New("certificate cache: Source and Verifier are required")
	}
	setDefault(&config.MaxAge, 24*time.Hour)
	setDefault(&config.Size, 1024)
	setDefault(&config.Timeout, 10*time.Second)
	setDefault(&config.Backoff, 30*time.Second)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(error) {}
	}
	c := &Cache{config: config, entries: newLRU[key, *entry](config.Size)}
	if config.Dir != "" {
		d, err := openDisk(config.Dir, config.Scope, config.Size)
		if err != nil {
			return nil, err
		}
		c.disk = d
	}
	c.fetches, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// setDefault replaces what is not a positive number.
func setDefault[T int | time.Duration](v *T, fallback T) {
	if *v <= 0 {
		*v = fallback
	}
}

// Close ends running fetches and waits for them. Certificates asked for after
// that come from memory or not at all.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.fetching.Wait()
	if c.disk != nil {
		c.disk.close()
	}
}

// Certificate implements ark.Certificates. Its errors are *apierror.Error, but
// for that of a ctx that has ended.
func (c *Cache) Certificate(ctx context.Context, q ark.Query) (*ark.Certificate, error) {
	if err := c.check(q); err != nil {
		return nil, err
	}
	if e := c.cached(key{q.Model, q.AICC}); e != nil && c.current(e) {
		return e.certificate, nil
	}
	done := c.flight.DoChan(c.flightKey(q), func() (any, error) { return c.renew(q) }) //nolint:contextcheck // the fetch outlives the request that came first
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the certificate of model %s: %w", name(q.Model), ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*entry).certificate, nil
	}
}

// Warm gets the certificates of models, one after the other, and tells all that
// failed.
func (c *Cache) Warm(ctx context.Context, models []string, aicc bool) error {
	var faults []error
	for _, model := range models {
		if _, err := c.Certificate(ctx, ark.Query{Model: model, AICC: aicc}); err != nil {
			faults = append(faults, fmt.Errorf("warming up model %s: %w", name(model), err))
		}
	}
	return errors.Join(faults...)
}

func (c *Cache) check(q ark.Query) error {
	if q.Model == "" || len(q.Model) > maxModel {
		return &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    "invalid_model",
			Message: fmt.Sprintf("the model name is empty or longer than %d bytes; send the name or endpoint id (ep-…) of a model", maxModel),
			Param:   "model",
		}
	}
	if s, ok := c.config.Source.(perCredential); ok {
		return s.CheckCredential(q)
	}
	return nil
}

// flightKey joins requests that may share one fetch: those for the same
// certificate and, where the request's own credential decides, with the same one.
func (c *Cache) flightKey(q ark.Query) string {
	k := fmt.Sprintf("%q %t", q.Model, q.AICC)
	if _, ok := c.config.Source.(perCredential); ok {
		k += fmt.Sprintf(" %x", sha256.Sum256([]byte(q.Credential)))
	}
	return k
}

// cached gives what memory holds for k, unless it has expired.
func (c *Cache) cached(k key) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.get(k)
	if !ok || c.config.Verifier.expired(e.certificate.Leaf) {
		return nil
	}
	return e
}

// current says whether e may be used without trying to renew it. A clock that
// was set back makes the age unknown, and so too great.
func (c *Cache) current(e *entry) bool {
	return c.fresh(e) || c.config.Now().Before(e.retry) && !c.config.Now().Before(e.retry.Add(-c.config.Backoff))
}

func (c *Cache) fresh(e *entry) bool {
	age := c.config.Now().Sub(e.fetched)
	return age >= 0 && age < c.config.MaxAge
}

func (c *Cache) remember(k key, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.put(k, e)
}

// replace puts e in the place of old. If a flight with another credential put
// something newer there meanwhile, that stays and is returned.
func (c *Cache) replace(k key, old, e *entry) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there, ok := c.entries.get(k); ok && there != old {
		return there
	}
	c.entries.put(k, e)
	return e
}
