package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// streamed is what became of many slow streams.
type streamed struct {
	open  int
	whole int     // that came to their end with every event
	p50   float64 // ms, from an event's making to its reading, while all were open
	p99   float64
	rss   []point // bytes for each stream, by streams open; none for direct
	err   error   // the first that broke off
}

// opener opens a stream and gives its body.
type opener func(ctx context.Context) (io.ReadCloser, error)

// streamsAlone measures nothing but open streams, and prints what it finds.
func streamsAlone(ctx context.Context, binary string, p plan, out io.Writer) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	rig, err := newRig(ctx, binary)
	if err != nil {
		return err
	}
	defer rig.close()
	r := results{plan: p}
	if r.streams, err = rig.measureStreams(ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", r.streamTable())
	for _, v := range r.streamVerdicts() {
		fmt.Fprintf(out, "%s: %s, target %s %s\n", v.what, v.measured, v.target, v.note)
	}
	return nil
}

// measureStreams opens many slow streams, first straight to the HTTP/2 upstream,
// then through a sidecar by the absolute-form door.
func (r *rig) measureStreams(ctx context.Context, p plan) (map[string]streamed, error) {
	ask := chat{turns: 1, bytes: 256, reply: 16, events: p.streamEvery, gap: p.streamGap}
	direct, err := r.openDirect(ask)
	if err != nil {
		return nil, err
	}
	found := map[string]streamed{"direct": p.hold(ctx, direct, nil)}
	further := fmt.Sprintf("limits: {connections: %d, requests: %d}", p.streams+100, p.streams+100)
	s, err := r.sidecar(ctx, "streams", r.upstream2, further)
	if err != nil {
		return nil, err
	}
	v := &variant{name: nameSealed, addr: s.addr, path: chatPath, rig: r}
	request, err := v.request(ask)
	if err != nil {
		return nil, err
	}
	absolute := strings.Replace(string(request), v.path, "http://"+arkHost+v.path, 1)
	absolute = strings.Replace(absolute, "Host: "+v.addr, "Host: "+arkHost, 1)
	found[nameSealed] = p.hold(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		conn, err := v.dial(ctx)
		if err != nil {
			return nil, err
		}
		one := &client{conn: conn, in: bufio.NewReaderSize(conn, 2<<10)}
		resp, err := one.post([]byte(absolute))
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("status %d", resp.StatusCode)
		}
		return connBody{resp.Body, conn}, nil
	}, s.process)
	return found, nil
}

// connBody is a reply with which its connection ends.
type connBody struct {
	io.Reader
	conn net.Conn
}

// Close closes the connection.
func (b connBody) Close() error { return b.conn.Close() }

// openDirect opens streams of a chat that was sealed before, as streams of few
// HTTP/2 connections.
func (r *rig) openDirect(ask chat) (opener, error) {
	v := &variant{addr: r.upstream2, path: chatPath, presealed: true, rig: r}
	text, err := v.request(ask)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: tlsRoots(r.keys), ServerName: "localhost"},
		ForceAttemptHTTP2: true,
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		in := bufio.NewReader(strings.NewReader(string(text)))
		req, err := http.ReadRequest(in)
		if err != nil {
			return nil, fmt.Errorf("making the request: %w", err)
		}
		req.RequestURI, req.URL.Scheme, req.URL.Host = "", "https", r.upstream2
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, fmt.Errorf("making the request: %w", err)
		}
		req.Body = io.NopCloser(strings.NewReader(string(body)))
		resp, err := transport.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}, nil
}

// openers is how many streams are being opened at a time.
const openers = 64

// hold opens all streams and reads them to their end.
func (p plan) hold(ctx context.Context, open opener, hop *process) streamed {
	var (
		work   sync.WaitGroup
		opened atomic.Int64
		whole  atomic.Int64
		mu     sync.Mutex
		late   []time.Duration
		first  error
	)
	places := make(chan struct{}, openers)
	for range p.streams {
		work.Go(func() {
			places <- struct{}{}
			body, err := open(ctx)
			<-places
			opened.Add(1)
			count, done := 0, false
			if err == nil {
				done, err = readEvents(body, func(_ time.Time, after time.Duration) {
					count++
					if opened.Load() == int64(p.streams) {
						mu.Lock()
						late = append(late, after)
						mu.Unlock()
					}
				})
				_ = body.Close() // read to its end
			}
			if done && count == p.streamEvery {
				whole.Add(1)
			} else if err != nil {
				mu.Lock()
				first = err
				mu.Unlock()
			}
		})
	}
	rss := p.watch(hop, &opened)
	work.Wait()
	return streamed{
		open: p.streams, whole: int(whole.Load()), rss: rss, err: first,
		p50: micros(quantile(late, 0.5)) / 1000, p99: micros(quantile(late, 0.99)) / 1000,
	}
}

// watch notes the memory of a process while streams open, and once more when all
// have been open for a while.
func (p plan) watch(hop *process, opened *atomic.Int64) []point {
	if hop == nil {
		return nil
	}
	idle := hop.memory()
	var found []point
	note := func() {
		if n := opened.Load(); n > 0 {
			found = append(found, point{x: float64(n), y: (hop.memory() - idle) / float64(n)})
		}
	}
	step := int64(p.streams / 10)
	for next := step; next < int64(p.streams); {
		if opened.Load() >= next {
			note()
			next = opened.Load() + step
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(2 * p.streamGap)
	note()
	return found
}

func (s streamed) text() string { return strconv.Itoa(s.whole) + " of " + strconv.Itoa(s.open) }
