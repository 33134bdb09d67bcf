package certfetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"sealcar/apierror"
	"sealcar/backoff"
	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
	"sealcar/lru"
)

// maxModel bounds the model names that are looked up, in bytes: they are keys
// of the cache, and applications choose them.
const maxModel = 256

// CacheConfig is what NewCache needs to know.
type CacheConfig struct {
	Source     Source           // required
	SourceName string           // as operators know it, for State; a Chain names the member that answered
	Verifier   *Verifier        // required
	Revocation RevocationPolicy // the zero value does not ask
	Scope      string           // where the certificates are from (the upstream's host); two scopes never share an entry
	Dir        string           // entries survive a restart here; made if missing; "" = memory only
	MaxAge     time.Duration    // asked for anew after this long, or somewhat sooner; 0 = 24 h
	Size       int              // entries in memory, and on disk; 0 = 1024
	Timeout    time.Duration    // of one fetch; 0 = 10 s
	Now        func() time.Time // nil = time.Now
	Jitter     backoff.Jitter   // spreads renewals and retries; nil = none
	Report     func(error)      // told of faults that cost no request: bad cache files, failed renewals; nil = nobody is told; called concurrently
}

// RevocationPolicy says whom to ask whether a certificate was revoked, and what
// to make of not learning it. What is revoked is refused in any case.
type RevocationPolicy struct {
	Checker *revocation.Checker // nil = nobody is asked
	Hard    bool                // a certificate whose state is unknown is refused
}

// Cache is an ark.Certificates that remembers.
//
// Nobody waits for a renewal: while a certificate is in force it is given out at
// once, and one background fetch renews it ahead of MaxAge and of its end. If
// that fails the old one serves on until it expires, and never longer. Only a
// request for a certificate that is not at hand waits, and however many do, it
// is fetched once; a waiter that gives up leaves the fetch to the others.
//
// A failure is remembered for each certificate and, where the request's own
// credential decides, each credential: until its back-off ends, requests fail at
// once instead of asking again.
type Cache struct {
	config     CacheConfig
	version    func() string // of what the Source would give; nil if it cannot tell
	credential perCredential // the Source, if the request's own credential matters to it; else nil
	disk       *disk         // nil = memory only
	flight     singleflight.Group
	faults     *backoff.Table[string] // of fetches, by flight key
	cooldowns  *backoff.Table[string] // of renewals that brought nothing new, by flight key and symptom

	running sync.WaitGroup  // fetches, and what else runs in the background
	life    context.Context // the Cache's own, not that of a request
	stop    context.CancelFunc

	mu         sync.Mutex
	closed     bool
	entries    *lru.Map[key, *entry]
	refreshing map[string]bool // flight keys that are renewed in the background
	cold       error           // why not all is at hand that KeepWarm was told of; nil if it is
	counts     Counts
}

// key is what tells two certificates apart within a Scope.
type key struct {
	model string
	aicc  bool
}

func keyOf(q ark.Query) key { return key{q.Model, q.AICC} }

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
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(error) {}
	}
	c := &Cache{
		config:     config,
		faults:     backoff.New[string](backoff.Config{Size: config.Size, Now: config.Now, Jitter: config.Jitter}),
		cooldowns:  backoff.New[string](backoff.Config{First: time.Second, Size: config.Size, Now: config.Now}),
		entries:    lru.New[key, *entry](config.Size),
		refreshing: map[string]bool{},
	}
	c.credential, c.version = traits(config.Source)
	if config.Dir != "" {
		d, err := openDisk(config.Dir, config.Scope, config.Size)
		if err != nil {
			return nil, err
		}
		c.disk = d
	}
	c.life, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// setDefault replaces what is not a positive number.
func setDefault[T int | time.Duration](v *T, fallback T) {
	if *v <= 0 {
		*v = fallback
	}
}

// Close ends what runs and waits for it. Certificates asked for after that come
// from memory or not at all.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
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
	e := c.usable(keyOf(q))
	if e == nil {
		var err error
		if e, err = c.await(ctx, q); err != nil {
			return nil, err
		}
	}
	if c.due(e) {
		c.refresh(q, e) //nolint:contextcheck // it outlives the request
	}
	return e.certificate, nil
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
	if c.credential != nil {
		return c.credential.CheckCredential(q)
	}
	return nil
}

// flightKey joins requests that may share one fetch, and the memory of its
// failure: those for the same certificate and, where the request's own
// credential decides, with the same one.
func (c *Cache) flightKey(q ark.Query) string {
	k := fmt.Sprintf("%q %t", q.Model, q.AICC)
	if c.credential != nil {
		k += fmt.Sprintf(" %x", sha256.Sum256([]byte(q.Credential)))
	}
	return k
}
