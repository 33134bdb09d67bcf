package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// eventTimes are those of a variant, once a round, in µs.
type eventTimes struct {
	first []float64 // from the request to the first event
	delay []float64 // median, of an event from its making to its reading
}

// measureEvents lets one stream of each variant run after the other.
func measureEvents(ctx context.Context, variants []*variant, p plan) (map[string]eventTimes, error) {
	ask := chat{turns: 1, bytes: 256, reply: 16, events: p.events, gap: time.Millisecond}
	found := map[string]eventTimes{}
	all := make([]*clients, len(variants))
	for i, v := range variants {
		var err error
		if all[i], err = connect(ctx, v, 1); err != nil {
			return nil, err
		}
		defer all[i].close()
	}
	for n := range p.rounds + 1 {
		for i, v := range variants {
			request, err := v.request(ask)
			if err != nil {
				return nil, err
			}
			first, delay, err := all[i].all[0].stream(request, p.events)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			if n == 0 {
				continue
			}
			times := found[v.name]
			times.first = append(times.first, micros(first))
			times.delay = append(times.delay, micros(delay))
			found[v.name] = times
		}
	}
	return found, nil
}

// stream asks for a stream and times its events.
func (c *client) stream(request []byte, events int) (first, delay time.Duration, err error) {
	sent := time.Now()
	resp, err := c.post(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	var delays []time.Duration
	done, err := readEvents(resp.Body, func(at time.Time, late time.Duration) {
		if len(delays) == 0 {
			first = at.Sub(sent)
		}
		delays = append(delays, late)
	})
	if err == nil && (!done || len(delays) != events) {
		err = errors.New("the stream was cut")
	}
	return first, quantile(delays, 0.5), err
}

// readEvents reads to the end of a stream and tells when each event came and how
// long after its making, and whether the stream ended as it should.
func readEvents(body io.Reader, came func(at time.Time, late time.Duration)) (done bool, err error) {
	in := bufio.NewReaderSize(body, 2<<10)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, fmt.Errorf("reading events: %w", err)
		}
		id, ok := bytes.CutPrefix(line, []byte(`data: {"id":"`))
		if !ok {
			done = done || bytes.HasPrefix(line, []byte("data: [DONE]"))
			continue
		}
		now := time.Now()
		digits, _, _ := bytes.Cut(id, []byte(`"`))
		made, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return done, fmt.Errorf("an event without its time: %w", err)
		}
		came(now, time.Duration(now.UnixNano()-made))
	}
}
