package backoff

import (
	"sync"
	"time"

	"sealcar/lru"
)

// Config is what New needs to know.
type Config struct {
	First  time.Duration    // wait after the first failure; 0 = 500 ms
	Max    time.Duration    // each further failure doubles the wait, up to here; forgotten this long after its end; 0 = 30 s
	Size   int              // keys remembered; 0 = 1024
	Now    func() time.Time // nil = time.Now
	Jitter Jitter           // takes up to a quarter off each wait; nil = none
}

// Table holds the failures of many things by their keys. Safe for concurrent use.
type Table[K comparable] struct {
	config Config
	mu     sync.Mutex
	items  *lru.Map[K, Failure]
}

// Failure is the last one of a key.
type Failure struct {
	Err   error
	Since time.Time
	Until time.Time     // not again before this
	wait  time.Duration // without jitter; what the next one doubles
}

// New makes an empty table.
func New[K comparable](c Config) *Table[K] {
	if c.First <= 0 {
		c.First = 500 * time.Millisecond
	}
	if c.Max <= 0 {
		c.Max = 30 * time.Second
	}
	if c.Size <= 0 {
		c.Size = 1024
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Table[K]{config: c, items: lru.New[K, Failure](c.Size)}
}

// Waiting gives k's failure while it is too early to try again. A clock that
// was set back ends the wait: it must not last as long as the clock's error.
func (t *Table[K]) Waiting(k K) (Failure, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.items.Get(k)
	if now := t.config.Now(); !ok || now.Before(f.Since) || !now.Before(f.Until) {
		return Failure{}, false
	}
	return f, true
}

// Fail records a failure of k and doubles its wait. One whose wait ended longer
// than Max ago is no sign of what is the case now: it begins anew.
func (t *Table[K]) Fail(k K, err error) Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.config.First
	if f, ok := t.items.Get(k); ok && f.wait > 0 && !t.config.Now().After(f.Until.Add(t.config.Max)) {
		wait = min(2*f.wait, t.config.Max)
	}
	return t.put(k, err, wait, wait-t.config.Jitter.Of(wait/4))
}

// Hold records a failure of k after which the wait is known. It does not count
// for the doubling.
func (t *Table[K]) Hold(k K, err error, wait time.Duration) Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.put(k, err, 0, wait)
}

func (t *Table[K]) put(k K, err error, wait, jittered time.Duration) Failure {
	now := t.config.Now()
	f := Failure{Err: err, Since: now, Until: now.Add(jittered), wait: wait}
	t.items.Put(k, f)
	return f
}

// Reset forgets k's failures: it has succeeded.
func (t *Table[K]) Reset(k K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items.Delete(k)
}
