package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// point is one of a chart.
type point struct{ x, y float64 }

// growthRounds is how often each size is sent, beyond the first time.
const growthRounds = 9

// measureGrowth sends larger and larger chats, and chats of more and more turns,
// on one connection.
func (r *results) measureGrowth(ctx context.Context, variants []*variant) error {
	r.sizes = map[string][]point{}
	for _, size := range r.plan.sizes {
		found, err := alternate(ctx, hops(variants), chat{turns: 1, bytes: size, reply: 256}, 1, growthRounds, r.plan.span/4)
		if err != nil {
			return fmt.Errorf("%s: %w", sizeName(size), err)
		}
		for name, rounds := range found {
			r.sizes[name] = append(r.sizes[name], point{float64(size), median(rounds, cpuOf)})
		}
	}
	sealed := slices.DeleteFunc(slices.Clone(variants), func(v *variant) bool { return v.name != nameSealed })
	for _, turns := range r.plan.turns {
		found, err := alternate(ctx, sealed, chat{turns: turns, bytes: 64, reply: 256}, 1, growthRounds, r.plan.span/4)
		if err != nil {
			return fmt.Errorf("%d turns: %w", turns, err)
		}
		r.turns = append(r.turns, point{float64(turns), median(found[nameSealed], cpuOf)})
	}
	return nil
}

// hops are the variants that are processes.
func hops(variants []*variant) []*variant {
	return slices.DeleteFunc(slices.Clone(variants), func(v *variant) bool { return v.process == nil })
}

// slope is how much more the last step up costs for each unit than the one before
// it: 1 is linear.
func slope(points []point, a, b, c float64) float64 {
	at := func(x float64) float64 {
		i := slices.IndexFunc(points, func(p point) bool { return p.x >= x })
		if i < 0 {
			return math.NaN()
		}
		return points[i].y
	}
	return over((at(c)-at(b))/(c-b), (at(b)-at(a))/(b-a))
}

// measureMemory sends many chats and notes the memory at every tenth of them.
func (r *rig) measureMemory(ctx context.Context, requests int) ([]point, error) {
	s, err := r.sidecar(ctx, "memory", r.upstream, "")
	if err != nil {
		return nil, err
	}
	v := &variant{name: nameSealed, addr: s.addr, path: chatPath, process: s.process, rig: r}
	ask := chat{turns: 1, bytes: 256, reply: 256}
	request, err := v.request(ask)
	if err != nil {
		return nil, err
	}
	load, err := connect(ctx, v, cpuConnections)
	if err != nil {
		return nil, err
	}
	defer load.close()
	var found []point
	for sent, noted := 0., 0.; sent < float64(requests); {
		measured, err := load.drive(request, ask, 500*time.Millisecond)
		if err != nil {
			return nil, err
		}
		if sent += measured.rate / 2; sent-noted >= float64(requests)/10 {
			found, noted = append(found, point{sent / 1000, s.memory()}), sent
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// startup is how the sidecar begins.
type startup struct {
	ready  []float64 // ms from the start of the process until /readyz says so
	idle   []float64 // bytes of RSS a second later
	binary float64   // bytes
}

// measureStart starts the sidecar again and again on what the first start left.
func (r *rig) measureStart(ctx context.Context, starts int) (startup, error) {
	info, err := os.Stat(r.binary)
	if err != nil {
		return startup{}, fmt.Errorf("the binary: %w", err)
	}
	found := startup{binary: float64(info.Size())}
	first, err := r.sidecar(ctx, "start", r.upstream, "")
	if err != nil {
		return startup{}, err
	}
	first.stop()
	r.processes = slices.DeleteFunc(r.processes, func(p *process) bool { return p == first.process })
	for range starts {
		begin := time.Now()
		p, err := start(r.dir, "start", r.binary, "run", "--config", filepath.Join(r.dir, "start.yaml"))
		if err != nil {
			return startup{}, err
		}
		err = awaitReady(ctx, first.admin)
		found.ready = append(found.ready, micros(time.Since(begin))/1000)
		time.Sleep(time.Second)
		found.idle = append(found.idle, p.memory())
		p.stop()
		if err != nil {
			return startup{}, err
		}
	}
	return found, nil
}

// awaitReady asks /readyz until it says yes.
func awaitReady(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("asking for readiness: %w", err)
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			_ = resp.Body.Close() // the status says all
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return errors.New("the sidecar does not become ready")
}

func median(rounds []round, of func(round) float64) float64 {
	return summarise(column(rounds, of)).median
}

func column(rounds []round, of func(round) float64) []float64 {
	out := make([]float64, len(rounds))
	for i, r := range rounds {
		out[i] = of(r)
	}
	return out
}

func cpuOf(r round) float64 { return r.cpu }
func p50Of(r round) float64 { return r.p50 }
func p99Of(r round) float64 { return r.p99 }
