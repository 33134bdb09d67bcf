package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sealcar/test/bench/soak"
)

// soaking is a long run of mixed traffic (test/bench/soak) through the real
// commands, while keys rotate and configurations change.
type soaking struct {
	binary  string
	span    time.Duration
	every   time.Duration // between two samples
	workers int
	pause   time.Duration
	docs    string // "" writes nothing
	out     io.Writer
}

// How often, during a run; but a key lasts at least leastRotation, for a request
// is tried once more and not twice.
const (
	rotations     = 40
	leastRotation = 10 * time.Second
	reloads       = 30
	renewals      = 20 // of the applications' connections
)

// soaked is what came of it.
type soaked struct {
	facts
	o         soaking
	tally     soak.Tally
	crossed   int64    // bytes, inside TLS
	leaks     []string // forms in which content was seen there or in a log
	rotations int      // that were asked for
	reloads   int
	metrics   map[string]float64 // the sidecar's, at the end
	idle      sample             // before the run
	samples   []sample
	quiet     sample // when all is over
}

// run soaks, prints the report, and fails unless everything was right and flat.
func (o soaking) run(ctx context.Context) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return fmt.Errorf("the binary %q: %w", o.binary, err)
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return fmt.Errorf("making a place for scratch: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // scratch
	found := &soaked{o: o, facts: gather(ctx, options{binary: o.binary})}
	found.versions = "sealcar " + said(ctx, o.binary, "version") + "; " + runtime.Version()
	ends, err := startEnds(ctx, binary, dir, rand.Text())
	if err != nil {
		return err
	}
	defer ends.close()
	if err := found.measure(ctx, ends); err != nil {
		log, _ := os.ReadFile(ends.sidecar.log) // what there is of it
		return fmt.Errorf("%w; the sidecar's log ends with %s", err, tail(log))
	}
	fmt.Fprint(o.out, found.page())
	if o.docs != "" {
		if err := found.write(o.docs); err != nil {
			return err
		}
	}
	for _, v := range found.verdicts() {
		if v.ratio > 1 {
			return errors.New("the soak test has failed: " + v.what)
		}
	}
	return nil
}

// measure lets the traffic run.
func (s *soaked) measure(ctx context.Context, e *bothEnds) (err error) {
	if err := e.seesWhatIsClear(ctx); err != nil {
		return err
	}
	traffic, err := e.traffic(s.o, uint64(time.Now().UnixNano())) // #nosec G115 -- a seed
	if err != nil {
		return err
	}
	if s.idle, err = e.sample(ctx); err != nil {
		return err
	}
	running, stop := context.WithTimeout(ctx, s.o.span)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		traffic.Run(running, &s.tally)
	}()
	err = s.disturb(running, e, traffic)
	stop()
	<-ended
	if err != nil {
		return err
	}
	if err := s.settle(ctx, e); err != nil {
		return err
	}
	s.crossed, s.leaks = e.watch.Take()
	if err := e.readLogs(); err != nil {
		return err
	}
	_, inLogs := e.watch.Take()
	s.leaks = append(s.leaks, inLogs...)
	s.metrics, err = e.metrics(ctx)
	return err
}

// disturb does to the ends what operators do, and samples them, until ctx ends.
func (s *soaked) disturb(ctx context.Context, e *bothEnds, traffic *soak.Traffic) error {
	begin := time.Now()
	sampling, rotating := time.NewTicker(s.o.every), time.NewTicker(max(s.o.span/rotations, leastRotation))
	reloading, renewing := time.NewTicker(s.o.span/reloads), time.NewTicker(s.o.span/renewals)
	for _, t := range []*time.Ticker{sampling, rotating, reloading, renewing} {
		defer t.Stop()
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-sampling.C:
			err = s.look(ctx, e, time.Since(begin))
		case <-rotating.C:
			s.rotations++
			err = e.enclave.hangUp()
		case <-reloading.C:
			if s.reloads++; s.reloads%2 == 0 {
				err = e.sidecar.hangUp()
			} else {
				err = e.configure(s.reloads)
			}
		case <-renewing.C:
			traffic.Renew()
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// perLine samples make a line of progress.
const perLine = 12

// look samples once, and says now and then how far the run is.
func (s *soaked) look(ctx context.Context, e *bothEnds, at time.Duration) error {
	now, err := e.sample(ctx)
	if err != nil {
		return err
	}
	total := s.tally.Total()
	now.at, now.requests = at, total.Right
	s.samples = append(s.samples, now)
	if len(s.samples)%perLine == 0 {
		fmt.Fprintf(s.o.out, "%7s %8d right %6d wrong\n", at.Round(time.Second), total.Right, total.Wrong)
	}
	return nil
}

// settleTime is how long the sidecar may take to let go of what the traffic has
// left: idle connections to an upstream are kept for timeouts.idle, which is a minute
// here.
const settleTime = 3 * time.Minute

// mayLeave is how many descriptors or goroutines may be left then, for connections
// that an upstream's other requests would use.
const mayLeave = 8

// settle waits until the sidecar is as it was before the run, or has had its time.
func (s *soaked) settle(ctx context.Context, e *bothEnds) (err error) {
	for until := time.Now().Add(settleTime); ; {
		if s.quiet, err = e.sample(ctx); err != nil {
			return err
		}
		s.quiet.requests = s.tally.Total().Right
		if s.left() <= 1 || time.Now().After(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
