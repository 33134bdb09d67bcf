package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// client is one kept-alive connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// clients are the connections of a variant, kept over all rounds.
type clients struct {
	variant *variant
	all     []*client
}

// connect opens n connections.
func connect(ctx context.Context, v *variant, n int) (*clients, error) {
	c := &clients{variant: v}
	for range n {
		conn, err := v.dial(ctx)
		if err != nil {
			c.close()
			return nil, err
		}
		c.all = append(c.all, &client{conn: conn, in: bufio.NewReader(conn)})
	}
	return c, nil
}

func (c *clients) close() {
	for _, one := range c.all {
		_ = one.conn.Close() // nothing is on its way
	}
}

// post sends a request and gives its reply.
func (c *client) post(request []byte) (*http.Response, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, fmt.Errorf("receiving: %w", err)
	}
	return resp, nil
}

// exchange sends a request and reads its reply to the end.
func (c *client) exchange(request []byte, check func(body []byte) error) error {
	resp, err := c.post(request)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // to its end, below
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // for the message
		return fmt.Errorf("status %d: %s", resp.StatusCode, said)
	}
	if check == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return check(body)
}

// answered checks that a reply has the content that it should have: in clear,
// unless the variant does not open it.
func (v *variant) answered(c chat) func(body []byte) error {
	want := strings.Repeat("a", c.reply)
	return func(body []byte) error {
		if bytes.Contains(body, []byte(want)) == v.presealed && c.reply > 0 {
			return errors.New("the reply is not what was asked for")
		}
		return nil
	}
}

// round is what was measured of a variant in one round.
type round struct {
	p50, p99 float64 // µs
	cpu      float64 // µs of the hop's process for each request
	rate     float64 // requests a second
}

// drive sends requests one after the other on every connection until span has
// passed, and at least one on each.
func (c *clients) drive(request []byte, ask chat, span time.Duration) (round, error) {
	var work sync.WaitGroup
	took := make([][]time.Duration, len(c.all))
	failures := make([]error, len(c.all))
	cpu, begin := c.cpu(), time.Now()
	for i, one := range c.all {
		work.Go(func() {
			check := c.variant.answered(ask) // of the first reply of a round; the soak test checks every one
			for sent := begin; sent.Sub(begin) < span || check != nil; {
				sent = time.Now()
				if failures[i] = one.exchange(request, check); failures[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(sent))
				check = nil
			}
		})
	}
	work.Wait()
	lasted, used := time.Since(begin), c.cpu()-cpu
	if err := errors.Join(failures...); err != nil {
		return round{}, fmt.Errorf("%s: %w", c.variant.name, err)
	}
	var all []time.Duration
	for _, some := range took {
		all = append(all, some...)
	}
	return round{
		p50:  micros(quantile(all, 0.5)),
		p99:  micros(quantile(all, 0.99)),
		cpu:  micros(used) / float64(len(all)),
		rate: float64(len(all)) / lasted.Seconds(),
	}, nil
}

func (c *clients) cpu() time.Duration {
	if c.variant.process == nil {
		return 0
	}
	return c.variant.process.cpu()
}

// alternate lets the variants take turns and gives each one's rounds. The first
// turn of each warms up and is not counted.
func alternate(ctx context.Context, variants []*variant, ask chat, connections, rounds int, span time.Duration) (map[string][]round, error) {
	all := make([]*clients, len(variants))
	requests := make([][]byte, len(variants))
	for i, v := range variants {
		var err error
		if requests[i], err = v.request(ask); err != nil {
			return nil, err
		}
		if all[i], err = connect(ctx, v, connections); err != nil {
			return nil, err
		}
		defer all[i].close()
	}
	found := map[string][]round{}
	for n := range rounds + 1 {
		for i, v := range variants {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			measured, err := all[i].drive(requests[i], ask, span)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				found[v.name] = append(found[v.name], measured)
			}
		}
	}
	return found, nil
}
