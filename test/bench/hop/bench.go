package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

type options struct {
	binary   string // sealcar
	quick    bool
	docs     string
	crypto   string
	progress io.Writer
}

// plan is how long everything takes.
type plan struct {
	rounds      int
	span        time.Duration // of one variant's turn
	connections []int
	events      int // of a stream
	streams     int // open at a time
	streamGap   time.Duration
	streamEvery int // events of each of them
	sizes       []int
	turns       []int
	starts      int
	requests    int // of the look at memory
}

func thorough() plan {
	return plan{
		rounds: 9, span: 300 * time.Millisecond, connections: []int{1, 32, 1000},
		events: 200, streams: 10_000, streamGap: 5 * time.Second, streamEvery: 6,
		sizes:  []int{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20},
		turns:  []int{1, 20, 200, 2000},
		starts: 9, requests: 1_000_000,
	}
}

func quick() plan {
	p := thorough()
	p.rounds, p.span, p.connections = 3, 150*time.Millisecond, []int{1, 32, 200}
	p.events, p.streams, p.streamGap, p.streamEvery = 50, 500, time.Second, 4
	p.sizes, p.starts, p.requests = []int{256, 16 << 10, 256 << 10, 1 << 20, 4 << 20}, 3, 20_000
	return p
}

// results are everything that was measured.
type results struct {
	facts
	plan    plan
	chats   map[int]map[string][]round // 256 B each way, by connections and variant
	kib     map[string][]round         // 1 KiB each way, 32 connections
	events  map[string]eventTimes
	streams map[string]streamed
	sizes   map[string][]point
	turns   []point
	start   startup
	memory  []point // bytes of RSS by thousands of requests
	crypto  cryptography
}

// cpuConnections is the number of connections at which issue 5 wants the CPU of a
// request known.
const cpuConnections = 32

// bench measures and reports.
func bench(ctx context.Context, o options) error {
	r := results{plan: thorough(), chats: map[int]map[string][]round{}}
	if o.quick {
		r.plan = quick()
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	var err error
	if r.crypto, err = readCryptography(o.crypto); err != nil {
		return err
	}
	rig, err := newRig(ctx, o.binary)
	if err != nil {
		return err
	}
	defer rig.close()
	r.facts = gather(ctx, o)
	variants, err := rig.variants(ctx)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"start", func() (err error) { r.start, err = rig.measureStart(ctx, r.plan.starts); return err }},
		{"chats", func() error { return r.measureChats(ctx, variants) }},
		{"events", func() (err error) { r.events, err = measureEvents(ctx, variants, r.plan); return err }},
		{"sizes", func() error { return r.measureGrowth(ctx, variants) }},
		{"open streams", func() (err error) { r.streams, err = rig.measureStreams(ctx, r.plan); return err }},
		{"memory over requests", func() (err error) { r.memory, err = rig.measureMemory(ctx, r.plan.requests); return err }},
	} {
		begin := time.Now()
		fmt.Fprintf(o.progress, "%-24s", step.name)
		if err := step.run(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(o.progress, "%6.1f s\n", time.Since(begin).Seconds())
	}
	return r.write(o.docs)
}

func (r *results) measureChats(ctx context.Context, variants []*variant) (err error) {
	for _, n := range r.plan.connections {
		if r.chats[n], err = alternate(ctx, variants, chat{turns: 1, bytes: 256, reply: 256}, n, r.plan.rounds, r.plan.span); err != nil {
			return err
		}
	}
	r.kib, err = alternate(ctx, variants, chat{turns: 1, bytes: 1 << 10, reply: 1 << 10}, cpuConnections, r.plan.rounds, r.plan.span)
	return err
}

// write writes the page and its charts.
func (r *results) write(docs string) error {
	charts := filepath.Join(docs, "benchmarks")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	files := map[string]string{
		filepath.Join(docs, "benchmarks.md"): r.page(),
		filepath.Join(charts, "latency.svg"): r.latencyChart(),
		filepath.Join(charts, "cpu.svg"):     r.sizesChart(),
		filepath.Join(charts, "streams.svg"): r.streamsChart(),
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}
