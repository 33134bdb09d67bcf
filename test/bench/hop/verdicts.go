package main

import (
	"fmt"
	"math"
	"slices"
)

// verdicts are the targets of issue 5.
func (r *results) verdicts() []verdict {
	all := slices.Clone(r.crypto.verdicts)
	all = append(all, r.hopVerdicts()...)
	all = append(all, r.eventVerdicts()...)
	all = append(all, r.streamVerdicts()...)
	all = append(all, r.growthVerdicts()...)
	return append(all, r.startVerdicts()...)
}

// atMost is a value against its upper limit.
func atMost(what string, s summary, limit float64, unit, target string) verdict {
	return verdict{what: what, target: target, measured: s.text() + unit, ratio: over(s.median, limit)}
}

func (r *results) hopVerdicts() []verdict {
	one := r.chats[1]
	sealed, plain := added(one, nameSealed), added(one, namePlain)
	found := []verdict{
		atMost("sealing on top of the same hop unsealed, p50, 1 connection", summarise(pairwise(sealed, added(one, nameUnsealed), minus)), 20, " µs", "≤ 20 µs"),
		atMost("the whole sidecar, sealed, added p50, 1 connection, to the net/http handler's", summarise(pairwise(sealed, plain, over)), 1.15, "", "≤ 1.15 ×"),
	}
	cpu := summarise(column(r.kib[nameSealed], cpuOf))
	found = append(found, atMost("CPU for each sealed 1 KiB request, 32 connections", cpu, 100, " µs", "≤ 100 µs"))
	if len(one[nameNginx]) == 0 {
		return found
	}
	toNginx := verdict{what: "the same to nginx's", target: "1.7 is good, 1.0 the dream", measured: summarise(pairwise(sealed, added(one, nameNginx), over)).text()}
	hop := summarise(pairwise(column(r.kib[nameUnsealed], cpuOf), column(r.kib[nameNginx], cpuOf), over))
	return append(slices.Insert(found, 2, toNginx), atMost("CPU of the hop alone (unsealed) to nginx's", hop, 2, "", "≤ 2 ×"))
}

// added is what a variant adds to the direct one of the same form, round by round.
func added(found map[string][]round, name string) []float64 {
	return pairwise(column(found[name], p50Of), column(found[baseOf(name)], p50Of), minus)
}

// baseOf is the direct variant of the same form.
func baseOf(name string) string {
	if name == nameSealed {
		return nameDirectSealed
	}
	return nameDirect
}

func (r *results) eventVerdicts() []verdict {
	if len(r.events[nameNginx].delay) == 0 {
		return nil
	}
	addedTo := func(of func(eventTimes) []float64, name string) []float64 {
		return pairwise(of(r.events[name]), of(r.events[baseOf(name)]), minus)
	}
	against := func(what string, of func(eventTimes) []float64) verdict {
		ours, theirs := addedTo(of, nameSealed), addedTo(of, nameNginx)
		v := atMost(what, summarise(ours), summarise(theirs).median, " µs", "≤ nginx's")
		v.note = "nginx " + summarise(theirs).text() + " µs"
		return v
	}
	return []verdict{
		against("an event, added p50", func(t eventTimes) []float64 { return t.delay }),
		against("time to the first event, added p50", func(t eventTimes) []float64 { return t.first }),
	}
}

func (r *results) streamVerdicts() []verdict {
	ours, direct := r.streams[nameSealed], r.streams["direct"]
	rss := math.NaN()
	if n := len(ours.rss); n > 0 {
		rss = ours.rss[n-1].y / 1024
	}
	cut := verdict{what: fmt.Sprintf("%d slow streams, none cut", ours.open), target: "all whole", measured: ours.text(), ratio: over(float64(ours.open), float64(ours.whole))}
	if ours.whole == 0 {
		cut.ratio = math.Inf(1)
	}
	if ours.err != nil {
		cut.note = ours.err.Error()
	}
	return []verdict{
		cut,
		{what: "memory of an open stream", target: "≤ 50 KiB", measured: number(rss) + " KiB", ratio: rss / 50},
		{
			what: "delay of their events, p99, to direct", target: "≤ 3 ×",
			measured: fmt.Sprintf("%s (%s to %s ms)", number(over(ours.p99, direct.p99)), number(ours.p99), number(direct.p99)),
			ratio:    over(ours.p99, direct.p99) / 3,
		},
	}
}

func (r *results) growthVerdicts() []verdict {
	last := float64(r.plan.sizes[len(r.plan.sizes)-1])
	bytes := slope(r.sizes[nameSealed], 1<<14, 1<<18, last)
	grown := number(bytes) + " ×"
	if sizes := r.sizes[nameNginx]; len(sizes) > 0 { // which only copies
		grown += "; nginx " + number(slope(sizes, 1<<14, 1<<18, last)) + " ×"
	}
	turns := slope(r.turns, 1, 200, 2000)
	rss := make([]float64, len(r.memory))
	for i, p := range r.memory {
		rss[i] = p.y
	}
	flat := math.NaN()
	if n := len(rss); n > 1 {
		flat = over(summarise(rss[n/2:]).median, summarise(rss[:n/2]).median)
	}
	least := r.plan.connections[0]
	most := r.plan.connections[len(r.plan.connections)-1]
	cpu := over(median(r.chats[most][nameSealed], cpuOf), median(r.chats[least][nameSealed], cpuOf))
	return []verdict{
		{what: fmt.Sprintf("growth in bytes: a further byte from 256 KiB to %s costs what one from 16 KiB on does", sizeName(int(last))), target: "1 × (linear), 1.25 at most", measured: grown, ratio: bytes / 1.25},
		{what: "growth in turns: a further turn from 200 to 2,000 costs what one below does", target: "1 × (linear), 1.25 at most", measured: number(turns) + " ×", ratio: turns / 1.25},
		{what: fmt.Sprintf("CPU for each request at %d connections to that at %d", most, least), target: "1 × (flat), 1.25 at most", measured: number(cpu) + " ×", ratio: cpu / 1.25},
		{what: fmt.Sprintf("memory over %d requests: the second half to the first", r.plan.requests), target: "1 × (flat), 1.1 at most", measured: number(flat) + " ×", ratio: flat / 1.1},
	}
}

func (r *results) startVerdicts() []verdict {
	const mib = 1 << 20
	idle := make([]float64, len(r.start.idle))
	for i, bytes := range r.start.idle {
		idle[i] = bytes / mib
	}
	return []verdict{
		atMost("start until ready", summarise(r.start.ready), 50, " ms", "≤ 50 ms"),
		atMost("memory when idle", summarise(idle), 20, " MiB", "≤ 20 MiB"),
		{what: "the binary", target: "≤ 25 MiB", measured: number(r.start.binary/mib) + " MiB", ratio: r.start.binary / mib / 25},
	}
}
