package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const soakIntro = `# Soak test

Written by ` + "`make soak FOR=%s DOCS=docs`" + `; nothing here is typed by hand.

%s. %s. Load average before the run: %s. Versions: %s.

%d applications at a time, for %s, through ` + "`sealcar run` and `sealcar enclave`" + `: every door
(base URL, absolute-form, CONNECT with and without TLS), upstreams over HTTP/2 and HTTP/1.1.
Each request has content of its own, and each reply is held against what was asked. %s
crossed between both ends; inside TLS all of it was searched for a word that is in every
content, and so were the logs of both ends.

## Verdict

%s
`

const soakMethod = `
## How it is measured

` + "`sealcar enclave --key-overlap 0s`" + ` with its echo is the other end: its answer repeats the
request, and its id is a hash of the body as the enclave opened it, so a right answer has
travelled without a wrong byte both ways. A request is wrong too if it is refused where it
should not be, or not refused with its code where it should. Nothing is asked twice: when
the key rotates, the sidecar is to notice by itself.

Memory, descriptors and goroutines are flat if the median of the slopes between every two
samples of the second half (Theil and Sen), over its length, is a rise of at most a tenth of
the half's median, or of 16 MiB, 24 descriptors, 48 goroutines. When all is over and the
applications have gone, descriptors and goroutines have to come back to what they were
before the run, and %d at most beyond it, within %s. The enclave tells no
goroutines. The program is test/bench/hop, what it sends test/bench/soak.
`

// page is docs/soak.md.
func (s *soaked) page() string {
	var table [][]string
	for _, v := range s.verdicts() {
		table = append(table, []string{v.what, v.target, v.measured, v.met()})
	}
	var b strings.Builder
	fmt.Fprintf(&b, soakIntro, duration(s.o.span), s.date, s.machine, s.load, s.versions, s.o.workers, duration(s.o.span), mebibytes(float64(s.crossed)),
		markdown([]string{"what", "target", "measured", "met"}, table))
	for _, failure := range append(s.tally.Failures(), s.leaks...) {
		fmt.Fprintf(&b, "\n    %s\n", failure)
	}
	fmt.Fprintf(&b, "\n## Requests\n\n%s", s.countTable())
	fmt.Fprintf(&b, "\n## Over time\n\n![memory, descriptors and goroutines over time](soak.svg)\n\n%s", s.sampleTable())
	fmt.Fprintf(&b, soakMethod, mayLeave, duration(settleTime))
	return b.String()
}

func (s *soaked) countTable() string {
	var rows [][]string
	for _, c := range append(s.tally.Counts(), s.tally.Total()) {
		rows = append(rows, []string{c.Kind, fmt.Sprint(c.Right), fmt.Sprint(c.Wrong)})
	}
	return markdown([]string{"what was asked", "right", "wrong"}, rows)
}

// maxRows of samples are shown.
const maxRows = 20

func (s *soaked) sampleTable() string {
	var rows [][]string
	row := func(when string, at sample) {
		rows = append(rows, []string{
			when, fmt.Sprint(at.requests), mebibytes(at.memory[0]), fmt.Sprint(at.files[0]), fmt.Sprint(at.goroutines),
			mebibytes(at.memory[1]), fmt.Sprint(at.files[1]),
		})
	}
	row("before", s.idle)
	step := max((len(s.samples)+maxRows-1)/maxRows, 1)
	for i := step - 1; i < len(s.samples); i += step {
		row(s.samples[i].at.Round(time.Second).String(), s.samples[i])
	}
	row("after", s.quiet)
	return markdown([]string{"", "requests", "sidecar: RSS", "descriptors", "goroutines", "enclave: RSS", "descriptors"}, rows)
}

// duration is d without seconds or minutes of 0.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s *soaked) chart() string {
	var all []series
	for _, c := range curves() {
		line := series{name: strings.Replace(c.name, " of the ", ", ", 1)}
		for _, at := range s.samples {
			line.points = append(line.points, point{at.at.Minutes(), c.of(at) / c.scale})
		}
		all = append(all, line)
	}
	minutes := axis{label: func(v float64) string { return number(v) + " min" }}
	return lines("Memory (MiB), descriptors, goroutines", minutes, axis{label: number}, all)
}

// write writes the page and its chart.
func (s *soaked) write(docs string) error {
	for name, text := range map[string]string{"soak.md": s.page(), "soak.svg": s.chart()} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}
