package main

import (
	"fmt"
	"slices"
	"strings"
)

// names are the variants in the order of the report.
func names() []string {
	return []string{nameDirect, nameDirectSealed, nameNginx, namePlain, nameReverse, nameUnsealed, nameSealed}
}

const intro = `# Benchmarks

Written by ` + "`make bench`" + `; nothing here is typed by hand.

%s. %s. Load average before the run: %s. Versions: %s. Length of the run: %s.

## Targets

%s
`

const method = `## How it is measured

Everything runs on one machine over loopback: the load, the upstream, and the hop
between them (in clear from the load, TLS to the upstream, connections kept). The
variants take turns in short rounds; a value is the median of the rounds' values,
with the least and the most of them behind it, and a ratio or difference is taken
within a round. Variants:

- **direct, in clear** and **direct, sealed before**: the load speaks TLS to the
  upstream itself. The second sends one chat that was sealed before the run and
  does not open the reply, so that it holds the upstream's own share of sealing: one
  key agreement a request, which nobody can make ahead there.
- **nginx**, a small **net/http handler** and **httputil.ReverseProxy**: the same hop
  unsealed. nginx and sealcar write a line of log for each request, the others do not.
- **sealcar, unsealed**: a path that passes in clear (unsafe_plaintext_paths); all of
  the hop and none of the protocol.
- **sealcar, sealed**: what sealcar is for. With the defaults of its configuration.

What a hop adds is its time less that of the direct variant of the same form. CPU is
that of the hop's process alone (user and system), by the kernel's count of
nanoseconds. The upstream speaks HTTP/1.1, which is all that nginx can ask an upstream
for, but for the open streams, where it is HTTP/2. The program is test/bench/hop.
`

// page is docs/benchmarks.md.
func (r *results) page() string {
	var b strings.Builder
	var table [][]string
	for _, v := range r.verdicts() {
		ratio := "–"
		if v.ratio != 0 {
			ratio = number(v.ratio)
		}
		measured := v.measured
		if v.note != "" {
			measured += "; " + v.note
		}
		table = append(table, []string{v.what, v.target, measured, ratio, v.met()})
	}
	fmt.Fprintf(&b, intro, r.date, r.machine, r.load, r.allVersions(), r.length,
		markdown([]string{"what", "target", "measured", "of the target", "met"}, table))
	b.WriteString("\nThe last column but one is the measured value over its target: 1 or less meets it.\n" + unmet(r.verdicts()) + "\n## A chat of 256 bytes each way\n\n![what each hop adds](benchmarks/latency.svg)\n")
	for _, n := range r.plan.connections {
		fmt.Fprintf(&b, "\n%d %s:\n\n%s", n, plural("connection", n), r.latencyTable(r.chats[n]))
	}
	fmt.Fprintf(&b, "\n1 KiB each way, %d connections:\n\n%s", cpuConnections, r.latencyTable(r.kib))
	fmt.Fprintf(&b, "\n## An event of a stream\n\n%s", r.eventTable())
	fmt.Fprintf(&b, "\n## By size\n\n![CPU by size](benchmarks/cpu.svg)\n\nµs of CPU in the hop's process for a request of so much content:\n\n%s", r.sizeTable())
	fmt.Fprintf(&b, "\nBy turns of 64 bytes, sealed:\n\n%s", r.turnTable())
	fmt.Fprintf(&b, "\n## Open streams\n\n![memory by streams](benchmarks/streams.svg)\n\n%s", r.streamTable())
	b.WriteString(r.crypto.section() + "\n" + method)
	return b.String()
}

// allVersions are those of everything that was measured.
func (r *results) allVersions() string {
	if r.crypto.versions == "" {
		return r.versions
	}
	return r.versions + "; " + r.crypto.versions
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func markdown(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

func (r *results) latencyTable(found map[string][]round) string {
	var rows [][]string
	for _, name := range names() {
		rounds := found[name]
		if len(rounds) == 0 {
			continue
		}
		adds, cpu := "", ""
		if name != baseOf(name) && name != nameDirectSealed {
			adds, cpu = summarise(added(found, name)).text(), summarise(column(rounds, cpuOf)).text()
		}
		rows = append(rows, []string{
			name, summarise(column(rounds, p50Of)).text(), adds, number(median(rounds, p99Of)), cpu,
			number(median(rounds, func(r round) float64 { return r.rate })),
		})
	}
	return markdown([]string{"", "p50, µs", "added p50, µs", "p99, µs", "CPU of the hop, µs", "requests a second"}, rows)
}

func (r *results) eventTable() string {
	var rows [][]string
	for _, name := range names() {
		if t := r.events[name]; len(t.delay) > 0 {
			rows = append(rows, []string{name, summarise(t.delay).text(), summarise(t.first).text()})
		}
	}
	return markdown([]string{"", "from its making to its reading, p50, µs", "from the request to the first event, µs"}, rows)
}

func (r *results) sizeTable() string {
	head := []string{""}
	for _, size := range r.plan.sizes {
		head = append(head, sizeName(size))
	}
	var rows [][]string
	for _, name := range names() {
		if points := r.sizes[name]; len(points) > 0 {
			row := []string{name}
			for _, p := range points {
				row = append(row, number(p.y))
			}
			rows = append(rows, row)
		}
	}
	return markdown(head, rows)
}

func (r *results) turnTable() string {
	head, row := []string{"turns"}, []string{"CPU, µs"}
	for _, p := range r.turns {
		head, row = append(head, fmt.Sprint(p.x)), append(row, number(p.y))
	}
	return markdown(head, [][]string{row})
}

func (r *results) streamTable() string {
	var rows [][]string
	for _, name := range []string{"direct", nameSealed} {
		s := r.streams[name]
		rows = append(rows, []string{name, s.text(), number(s.p50), number(s.p99)})
	}
	return fmt.Sprintf("%d streams with an event every %s:\n\n%s", r.plan.streams, r.plan.streamGap,
		markdown([]string{"", "whole", "delay of an event p50, ms", "p99, ms"}, rows))
}
