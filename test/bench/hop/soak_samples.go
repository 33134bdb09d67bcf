package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// sample is what both ends hold at one time.
type sample struct {
	at         time.Duration // since the begin
	requests   int           // that the applications have made until then
	goroutines float64       // of the sidecar, which alone tells them
	files      [2]float64    // descriptors, of the sidecar and the enclave
	memory     [2]float64    // bytes of RSS
}

// sample looks at both ends.
func (e *bothEnds) sample(ctx context.Context) (s sample, err error) {
	metrics, err := e.metrics(ctx)
	if err != nil {
		return sample{}, err
	}
	s.goroutines = metrics["go_goroutines"]
	s.files = [2]float64{metrics["process_open_fds"], e.enclave.files()}
	s.memory = [2]float64{e.sidecar.memory(), e.enclave.memory()}
	return s, nil
}

// metrics are the sidecar's, those of one name added up over their labels.
func (e *bothEnds) metrics(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.admin+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // a look leaves nothing behind
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	found := map[string]float64{}
	for lines := bufio.NewScanner(io.LimitReader(resp.Body, 16<<20)); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if i := strings.LastIndex(lines.Text(), "} "); i >= 0 {
			series, value = lines.Text()[:i+1], lines.Text()[i+2:]
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			name, _, _ := strings.Cut(series, "{")
			found[name] += v
			found[series] = v
		}
	}
	return found, nil
}

// files is how many descriptors the process has open; 0 if it may not be asked.
func (p *process) files() float64 {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)) // another user's are not shown
	return float64(len(open))
}

// curve is one value of the samples.
type curve struct {
	name  string
	slack float64 // see flat
	unit  func(float64) string
	scale float64 // of the chart
	of    func(sample) float64
}

// memorySlack is what a few of the largest requests take.
const memorySlack = 16 << 20

// curves are what is sampled.
func curves() []curve {
	const mib = 1 << 20
	return []curve{
		{"memory of the sidecar", memorySlack, mebibytes, mib, func(at sample) float64 { return at.memory[0] }},
		{"descriptors of the sidecar", 24, number, 1, func(at sample) float64 { return at.files[0] }},
		{"goroutines of the sidecar", 48, number, 1, func(at sample) float64 { return at.goroutines }},
		{"memory of the enclave", memorySlack, mebibytes, mib, func(at sample) float64 { return at.memory[1] }},
		{"descriptors of the enclave", 24, number, 1, func(at sample) float64 { return at.files[1] }},
	}
}

func (s *soaked) values(c curve) []float64 {
	var all []float64
	for _, at := range s.samples {
		all = append(all, c.of(at))
	}
	return all
}

func mebibytes(bytes float64) string { return number(bytes/(1<<20)) + " MiB" }
