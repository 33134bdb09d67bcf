package proxy_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sealcar/config"
)

func TestT51_HTTP2HeadsAreBounded(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t)) // 64 KiB
	f := r.frames()
	if got := f.offered[http2.SettingMaxHeaderListSize]; got < 64<<10 || got > 256<<10 {
		t.Errorf("SETTINGS_MAX_HEADER_LIST_SIZE is %d", got)
	}
	long := f.outcome(f.post(field("x-a", strings.Repeat("a", 70<<10))))
	if long.status != "431" || codeOf(long.body) != "headers_too_large" {
		t.Errorf("a head over the limit: %v", long)
	}
	if got := f.outcome(f.post()); got.status != "200" {
		t.Errorf("the connection after it: %v", got)
	}
	f.post(field("x-a", strings.Repeat("a", 300<<10)))
	if code, said := f.away(); !said {
		t.Errorf("a head far over the limit ends the connection with %v, %t", code, said)
	}
	upstream.only(t)
}

// T60. Header blocks that never end (CVE-2023-45288).
func TestT60_CONTINUATIONFloodEndsTheConnection(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	f.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}))
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	_ = encoder.WriteField(hpack.HeaderField{Name: "x-a", Value: strings.Repeat("a", 8<<10), Sensitive: true})
	const most = 10_000
	sent := 0
	for ; sent < most && f.WriteContinuation(1, false, []byte(block.String())) == nil; sent++ {
	}
	if sent == most {
		t.Errorf("%d frames of 8 KiB were taken", most)
	}
	f.away()
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "0" }, func() string { return "the connection still counts" })
	if n := len(upstream.all()); n != 0 {
		t.Errorf("%d requests went through", n)
	}
}

// T60. Requests that are given up as soon as they are made (CVE-2023-44487).
func TestT60_RapidResetHoldsNoMoreThanItsStreams(t *testing.T) {
	t.Parallel()
	var at, most, all atomic.Int64
	release := make(chan struct{})
	r := start(t, roundTripper(func(*http.Request) (*http.Response, error) {
		all.Add(1)
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		<-release // an upstream that does not notice, so that requests outlast their streams
		return answer(http.StatusOK, "application/json", strings.NewReader("{}")), nil
	}), testConfig(t))
	f := r.frames()
	streams := int64(f.offered[http2.SettingMaxConcurrentStreams])
	if streams == 0 || streams > 100 {
		t.Fatalf("SETTINGS_MAX_CONCURRENT_STREAMS is %d", streams)
	}
	var err error
	for range 20 * streams {
		f.last += 2
		stream := f.last - 1
		if err = f.send(stream, true, head()...); err == nil {
			err = f.WriteRSTStream(stream, http2.ErrCodeCancel)
		}
		if err != nil {
			break
		}
	}
	if code, said := f.away(); err == nil && (!said || code != http2.ErrCodeEnhanceYourCalm) {
		t.Errorf("the connection ended with %v, %t", code, said)
	}
	close(release)
	eventually(t, func() bool { return metric(t, r, "sealcar_open_requests") == "0" }, func() string { return "requests go on" })
	if most.Load() > streams || all.Load() > 5*streams {
		t.Errorf("%d requests at a time and %d in all, with %d streams", most.Load(), all.Load(), streams)
	}
}

func TestHTTP2StreamsAreBoundedAndCountAsRequests(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t, func(c *config.Config) { c.Limits.Requests = 99; c.Limits.Connections = 1 }))
	f := r.frames()
	for range 99 {
		f.post()
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_requests") == "99" }, func() string { return "not every stream counts" })
	over := f.outcome(f.post())
	if over.status != "503" || codeOf(over.body) != "too_many_requests" || over.header.Get("Retry-After") != "1" {
		t.Errorf("over limits.requests: %v", over)
	}
	if got := metric(t, r, "sealcar_open_connections"); got != "1" {
		t.Errorf("%s connections", got)
	}
	close(upstream.finish)
}

// A connection says what it takes, which is little: nothing is read that has no
// place yet.
func TestHTTP2ConnectionsSayWhatTheyTake(t *testing.T) {
	t.Parallel()
	f := start(t, new(recorder), testConfig(t)).frames()
	for setting, most := range map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: 100, http2.SettingMaxFrameSize: 16 << 10, http2.SettingInitialWindowSize: 64 << 10, http2.SettingHeaderTableSize: 4 << 10,
	} {
		if got, said := f.offered[setting]; !said || got > most {
			t.Errorf("%v is %d, want at most %d", setting, got, most)
		}
	}
	if got := f.offered[http2.SettingEnableConnectProtocol]; got != 0 {
		t.Error("extended CONNECT is offered")
	}
	f.must(f.WritePing(false, [8]byte{1})) // behind what windows are opened by
	for {
		frame, err := f.ReadFrame()
		f.must(err)
		if window, ok := frame.(*http2.WindowUpdateFrame); ok && window.Increment > 1 {
			t.Errorf("the connection's window is opened by %d", window.Increment)
		}
		if _, ok := frame.(*http2.PingFrame); ok {
			return
		}
	}
}

// T60. A client that asks for answers and reads none (CVE-2019-9512).
func TestT60_PINGsWhoseAnswersNobodyReadsEndTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, new(recorder), testConfig(t)).frames()
	const most = 2_000_000
	sent := 0
	for ; sent < most && f.WritePing(false, [8]byte{}) == nil; sent++ {
	}
	if sent == most {
		t.Errorf("after %d there is no end yet of what is remembered", most)
	}
	_ = f.conn.(*tls.Conn).NetConn().Close() // TLS would wait for a place to say goodbye in
}

func TestT75_IdleHTTP2ConnectionsEnd(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.Idle = soon }))
	used, unused, begun := r.frames(), r.frames(), r.frames()
	_ = used.send(1, true, head()...) // fails on a machine so slow that the time is over
	_ = begun.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
	for _, f := range []*frames{used, unused, begun} {
		if code, said := f.away(); said && code != http2.ErrCodeNo {
			t.Errorf("ended with %v", code)
		}
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "0" }, func() string { return "a connection still counts" })
}

// Whoever says nothing inside TLS, or begins a preface and stops, is not waited for.
func TestT74_SlowHTTP2PrefaceEnds(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.ReadHeader = soon }))
	for _, begun := range []string{"", http2.ClientPreface[:5], http2.ClientPreface[:20]} {
		conn, err := r.connect(routedHost+":443").offering(r, "h2")
		if err == nil {
			_, err = io.WriteString(conn, begun)
		}
		if err != nil {
			t.Logf("the time was over before %q: %v", begun, err)
			continue
		}
		if got, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(string(got), "200") {
			t.Errorf("a client that stopped after %q got %q, %v", begun, got, err)
		}
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "0" }, func() string { return "a connection still counts" })
}

func TestT74_SlowHTTP2BodyIsATimeoutOfItsStreamAlone(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.ReadBody = soon }))
	f := r.frames()
	slow := f.headers(false, head()...)
	f.must(f.WriteData(slow, false, []byte(chat[:5])))
	if got := f.outcome(slow); got.status != "408" || codeOf(got.body) != "request_body_timeout" {
		t.Errorf("got %v", got)
	}
	if got := f.outcome(f.post()); got.status != "200" {
		t.Errorf("another stream: %v", got)
	}
}

// A window that never opens ends its stream alone.
func TestT74_StalledHTTP2ReaderEnds(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/small") {
			return answer(http.StatusOK, "application/json", strings.NewReader("{}")), nil
		}
		return answer(http.StatusOK, "text/event-stream", endless{}), nil
	}}
	r := start(t, upstream, testConfig(t, func(c *config.Config) { c.Timeouts.StreamIdle = soon }))
	f := r.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	stalled := f.post()
	for {
		if reset, ok := f.next().(*http2.RSTStreamFrame); ok {
			if reset.StreamID != stalled {
				t.Fatal("another stream is reset")
			}
			break
		}
	}
	if got := f.outcome(f.post(field(":path", "/v1/small"))); got.status != "200" || got.body != "{}" {
		t.Errorf("another stream: %v", got)
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "client_stalled"})
}

// A client that reads no byte at all, with every window open, holds its connection
// no longer than one that speaks HTTP/1.1.
func TestT74_HTTP2ClientThatReadsNothingEnds(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(*http.Request) (*http.Response, error) {
		return answer(http.StatusOK, "text/event-stream", flood{}), nil
	}}
	r := start(t, upstream, testConfig(t, func(c *config.Config) {
		c.Timeouts.StreamIdle = soon
		c.Timeouts.Idle = soon // on a slow machine the stream's time is over before its connection is full, and that ends idle
	}))
	f := r.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	_ = f.conn.(*tls.Conn).NetConn().(*raw).Conn.(*net.TCPConn).SetReadBuffer(4 << 10) // only so that it is over sooner
	f.must(f.WriteWindowUpdate(0, 1<<30))
	f.post()
	eventually(t, func() bool { return len(upstream.all()) == 1 }, func() string { return "no request" })
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "0" }, func() string { return "the connection stays" })
	r.log.line(t, map[string]any{"message": "request", "aborted": "client_stalled"})
}

// flood is a reply without end, in pieces as large as they are asked for.
type flood struct{}

func (flood) Read(p []byte) (int, error) { return len(p), nil }

func TestT77_ResetHTTP2StreamCancelsItsUpstreamAlone(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	gone, stays := f.post(), f.post()
	eventually(t, func() bool { return upstream.open.Load() == 2 }, func() string { return "the streams do not begin" })
	f.must(f.WriteRSTStream(gone, http2.ErrCodeCancel))
	r.log.line(t, map[string]any{"message": "request", "aborted": "client_gone"}) // which waits for the upstream's end
	if got := metric(t, r, "sealcar_open_requests"); got != "1" {
		t.Errorf("%s requests are open", got)
	}
	close(upstream.finish)
	if got := f.outcome(stays); got.broken || !strings.HasSuffix(got.body, "[DONE]\n\n") {
		t.Errorf("the other: %v", got)
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_requests") == "0" }, func() string { return "requests go on" })
}

func TestHTTP2ConnectionThatBreaksCancelsAllItsRequests(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	for range 3 {
		f.post()
	}
	eventually(t, func() bool { return upstream.open.Load() == 3 }, func() string { return "the streams do not begin" })
	_ = f.conn.(*tls.Conn).NetConn().Close()
	eventually(t, func() bool { return metric(t, r, "sealcar_open_requests") == "0" }, func() string { return "requests go on" })
}
