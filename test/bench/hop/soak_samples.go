package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
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

// rise is by how much values grow from the begin of their second half to its end,
// and the middle value of that half. The slope is the median of those between any
// two of them (Theil and Sen), which single peaks do not move.
func rise(values []float64) (by, middleValue float64) {
	half := values[len(values)/2:]
	if len(half) < 2 {
		return 0, 0
	}
	var slopes []float64
	for i, a := range half {
		for j, b := range half[i+1:] {
			slopes = append(slopes, (b-a)/float64(j+1))
		}
	}
	slices.Sort(slopes)
	return middle(slopes) * float64(len(half)-1), summarise(half).median
}

// flat is a verdict: in the second half the values rise by no more than a tenth, or
// by slack where a tenth is less.
func flat(what string, values []float64, slack float64, unit func(float64) string) verdict {
	by, at := rise(values)
	limit := max(at/10, slack)
	return verdict{
		what: what + ", rise over the second half", target: "≤ " + unit(limit),
		measured: fmt.Sprintf("%s, at %s", unit(by), unit(at)), ratio: ratioOf(by, limit),
	}
}

// ratioOf is a ratio for a verdict, in which 0 would mean that there is no target.
func ratioOf(value, limit float64) float64 { return max(over(value, limit), 0.01) }
