package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sealcar/config"
	"sealcar/upstream"
)

// peer is the upstream's side of one HTTP/2 connection, frame by frame.
type peer struct {
	*http2.Framer
	conn net.Conn
}

// frames is an upstream that speaks HTTP/2 as the test says: serve gets each
// connection with its number, from 1.
func frames(t *testing.T, a *ca, serve func(n int, p peer)) (url string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server")}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			preface := make([]byte, len(http2.ClientPreface))
			p := peer{http2.NewFramer(conn, conn), conn}
			context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			serving.Go(func() {
				if _, err := io.ReadFull(conn, preface); err == nil && p.WriteSettings() == nil {
					serve(n, p)
				}
				_ = conn.Close()
			})
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		serving.Wait()
	})
	return "https://" + l.Addr().String()
}

// request reads until a request's end and gives its stream; 0 if there is none.
func (p peer) request() uint32 {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return 0
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = p.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return f.StreamID
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return f.StreamID
			}
		}
	}
}

// headers begins a reply.
func (p peer) headers(stream uint32) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
}

// linger reads until the client closes.
func (p peer) linger() { _, _ = io.Copy(io.Discard, p.conn) }

func TestT38_HTTP2UpstreamsThatGiveUp(t *testing.T) {
	t.Parallel()
	answer := func(p peer, stream uint32) {
		p.headers(stream)
		_ = p.WriteData(stream, true, []byte("whole"))
		p.linger()
	}
	tests := map[string]struct {
		serve func(n int, p peer)
		body  string // "" if the reply must fail
		seen  int64  // connections
	}{
		"GOAWAY before the request": {func(n int, p peer) {
			stream := p.request()
			if n == 1 {
				_ = p.WriteGoAway(0, http2.ErrCodeNo, nil)
				return
			}
			answer(p, stream)
		}, "whole", 2},
		"GOAWAY while it answers": {func(_ int, p peer) {
			stream := p.request()
			p.headers(stream)
			_ = p.WriteGoAway(stream, http2.ErrCodeNo, nil)
			_ = p.WriteData(stream, true, []byte("whole"))
			p.linger()
		}, "whole", 1},
		"GOAWAY and the end": {func(_ int, p peer) {
			stream := p.request()
			p.headers(stream)
			_ = p.WriteData(stream, false, []byte("half"))
			_ = p.WriteGoAway(stream, http2.ErrCodeNo, nil)
		}, "", 1},
		"RST_STREAM, refused": {func(n int, p peer) {
			stream := p.request()
			if n == 1 {
				_ = p.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
				stream = p.request() // again on the same connection
			}
			answer(p, stream)
		}, "whole", 1},
		"RST_STREAM": {func(_ int, p peer) {
			_ = p.WriteRSTStream(p.request(), http2.ErrCodeInternal)
			p.linger()
		}, "", 1},
		"RST_STREAM while it answers": {func(_ int, p peer) {
			stream := p.request()
			p.headers(stream)
			_ = p.WriteData(stream, false, []byte("half"))
			_ = p.WriteRSTStream(stream, http2.ErrCodeNo) // even with this code the reply is not whole
			p.linger()
		}, "", 1},
		"the end without END_STREAM": {func(_ int, p peer) {
			p.headers(p.request())
		}, "", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newCA(t)
			var seen atomic.Int64
			url := frames(t, a, func(n int, p peer) {
				seen.Store(int64(n))
				test.serve(n, p)
			})
			tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("sealed"))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			resp, err := tr.RoundTrip(req)
			if err == nil {
				got, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			tr.CloseIdleConnections()
			if (test.body == "") != (err != nil) || err == nil && string(got) != test.body {
				t.Errorf("got %q, %v", got, err)
			}
			if got := seen.Load(); got != test.seen {
				t.Errorf("%d connections, want %d", got, test.seen)
			}
		})
	}
}

func TestT38_SettingsThatHoldRequestsUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setting http2.Setting
		held    bool // for ever; else another connection is opened
	}{
		"no window":  {http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}, true},
		"no streams": {http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newCA(t)
			url := frames(t, a, func(n int, p peer) {
				stream := p.request()
				p.headers(stream)
				if n == 1 {
					_ = p.WriteSettings(test.setting) // before the first reply has ended, so before the second request
				}
				_ = p.WriteData(stream, true, []byte("whole"))
				_ = p.request()
			})
			tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
			send := func() error {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("sealed"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := upstream.Patient(tr, 500*time.Millisecond).RoundTrip(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				return err
			}
			if err := send(); err != nil {
				t.Fatal(err)
			}
			err := send()
			timeout, ok := errors.AsType[net.Error](err)
			if test.held && (!ok || !timeout.Timeout()) || !test.held && err != nil {
				t.Errorf("got %v", err)
			}
			tr.CloseIdleConnections()
		})
	}
}
