package soak

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync"
	"time"
)

// Traffic is what applications do to one sidecar. All fields but the last
// two are needed.
type Traffic struct {
	Sidecar string         // host:port of its data port
	Roots   *x509.CertPool // of its local authority
	Hosts   []string       // that it routes
	Key     string         // API key of the other end
	Marker  string         // a word of every content; see Watch
	Seed    uint64         // of contents and of the order of kinds
	Workers int            // applications at a time
	Pause   time.Duration  // between two requests of one of them, at most; 0 is none
	Largest int            // bytes of a content; 0 is as large as the kinds have them, 4 MiB at most

	mu      sync.Mutex
	callers []*caller
}

// patience bounds one request: a reply that does not come is wrong, not a hang.
const patience = 3 * time.Minute

// Run sends requests until ctx ends, and waits for those that are on their way.
func (t *Traffic) Run(ctx context.Context, tally *Tally) {
	var work sync.WaitGroup
	for i := range t.Workers {
		c := t.newCaller(i)
		work.Go(func() {
			defer c.close()
			t.work(ctx, c, tally)
		})
	}
	work.Wait()
}

// Renew has the applications open new connections, as after a restart of theirs.
// What is on its way goes on.
func (t *Traffic) Renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.callers {
		c.close()
	}
}

// work is one application.
func (t *Traffic) work(ctx context.Context, c *caller, tally *Tally) {
	kinds := allKinds()
	for ctx.Err() == nil {
		k := kinds[c.pick(kinds)]
		c.door = c.doors[c.random.IntN(len(c.doors))]
		at, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := k.ask(at, c)
		cancel()
		if err != nil {
			err = fmt.Errorf("%s, %s: %w", k.name, c.door.name, err)
		}
		tally.Add(k.name, err)
		c.rest(ctx)
	}
}
