package machine

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much garbage there may be before the collector runs, as GOGC has it: a
// percentage of what is live. Always 100, the default, is much work for a small
// heap, which is collected every few hundred requests, and much memory for a large
// one. That the spare memory grows by the square root of what is live has both
// cost the least together (Kirisame, Shenoy, Panchekha: Optimal Heap Limits for
// Reducing Browser Memory Use, OOPSLA 2022).
const (
	evenHeap     = 48 << 20 // bytes live at which it is 100 %, unless memory is short
	mostPercent  = 400      // of the smallest heap: more than this gains little
	leastPercent = 40
)

// PaceOptions say how the collector is paced. Getenv is required.
type PaceOptions struct {
	Getenv func(key string) string
	Memory int64 // bytes that the runtime keeps to, as Find has found them; 0: no limit

	Live       func() uint64            // bytes that the last collection has left; nil means the runtime's own count
	SetPercent func(percent int) int    // nil means debug.SetGCPercent
	Collected  func(adjust func() bool) // has adjust called after each collection until it says false; nil means the runtime's
}

// Pace sets the runtime's GOGC after each collection, by what that has left, unless
// the environment has GOGC. stop ends it and leaves GOGC as it is then.
func Pace(o PaceOptions) (stop func()) {
	if o.Getenv("GOGC") != "" {
		return func() {}
	}
	o.complete()
	p := &pacer{options: o, percent: 100}
	o.Collected(p.adjust)
	return p.stop
}

func (o *PaceOptions) complete() {
	if o.Live == nil {
		o.Live = liveBytes
	}
	if o.SetPercent == nil {
		o.SetPercent = debug.SetGCPercent
	}
	if o.Collected == nil {
		o.Collected = afterCollections
	}
}

type pacer struct {
	options PaceOptions

	mu      sync.Mutex
	percent int
	stopped bool
}

// adjust reports whether it is to be called again.
func (p *pacer) adjust() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	want := percentFor(p.options.Live(), p.options.Memory)
	if change := want - p.percent; max(change, -change) > p.percent/10 { // each stops the world for some microseconds
		p.options.SetPercent(want)
		p.percent = want
	}
	return true
}

func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

// percentFor is GOGC for a heap of so many live bytes. Of a limit it leaves most
// to what is not garbage: near to it the collector would run all the time.
func percentFor(live uint64, limit int64) int {
	even := float64(evenHeap)
	if limit > 0 {
		even = min(even, float64(limit)/4)
	}
	percent := 100 * math.Sqrt(even/float64(max(live, 1)))
	return int(max(leastPercent, min(percent, mostPercent)))
}

// liveBytes is the heap that the last collection has marked, with the stacks that
// it has scanned: the percentage is of both.
func liveBytes() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// collection is what nothing refers to, so that each collection finds one.
type collection struct{ _ *byte } // a pointer, for what has none may share its memory with others

// afterCollections calls adjust after each collection. The runtime has no call for
// that but those for what it has collected.
func afterCollections(adjust func() bool) {
	runtime.AddCleanup(new(collection), func(adjust func() bool) {
		if adjust() {
			afterCollections(adjust)
		}
	}, adjust)
}
