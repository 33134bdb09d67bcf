package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sealcar/apierror"
	"sealcar/config"
)

func TestHTTP2ReplyThatBreaksOffIsNeverAComplete(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/whole") {
			return answer(http.StatusOK, "application/json", strings.NewReader("{}")), nil
		}
		resp := answer(http.StatusOK, r.Header.Get("X-Type"), &breaking{strings.NewReader("data: begin\n\n"), io.ErrUnexpectedEOF})
		if strings.HasSuffix(r.URL.Path, "/refused") {
			resp.Body = io.NopCloser(&breaking{strings.NewReader("data: begin\n\n"), &apierror.Error{Status: 502, Code: "bad_tag", Message: "x"}})
		}
		return resp, nil
	}}
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	for _, end := range []string{"/broken", "/refused"} {
		for _, contentType := range []string{"text/event-stream", "application/json"} {
			got := f.outcome(f.post(field(":path", "/v1"+end), field("x-type", contentType)))
			if !got.broken || got.reset == http2.ErrCodeNo {
				t.Errorf("%s, %s: %v", end, contentType, got)
			}
			if next := f.outcome(f.post(field(":path", "/v1/whole"))); next.broken || next.body != "{}" {
				t.Errorf("another stream: %v", next)
			}
		}
	}
	req := newPost(t.Context(), t, secureURL+"/broken", strings.NewReader(chat))
	req.Header.Set("X-Type", "text/event-stream")
	resp, err := r.insistent().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("Go's client takes %q for whole", body)
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "bad_tag", "protocol": "HTTP/2.0"})
}

// It is the upstream whose patience ends, however long ago the last write was.
func TestT76_StalledHTTP2ReplyEnds(t *testing.T) {
	t.Parallel()
	r := start(t, &recorder{reply: func(r *http.Request) (*http.Response, error) {
		begin := &ctxBody{r.Context(), strings.NewReader("data: x\n\n")}
		return answer(http.StatusOK, "text/event-stream", &dawdling{Reader: begin, left: 8}), nil
	}}, testConfig(t, func(c *config.Config) { c.Timeouts.StreamIdle = soon }))
	resp, err := r.insistent().Do(newPost(t.Context(), t, secureURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil || string(body) != "data: x\n\n" {
		t.Errorf("a stalled reply ended with %v: %q", err, body)
	}
	if line := r.log.line(t, map[string]any{"message": "request"}); line["aborted"] != "stream_idle" {
		t.Errorf("the log says %v", line)
	}
}

// dawdling is a body whose first read is followed by some that bring nothing.
type dawdling struct {
	io.Reader
	begun bool
	left  int
}

func (d *dawdling) Read(p []byte) (int, error) {
	if d.begun && d.left > 0 {
		d.left--
		time.Sleep(soon / 4)
		return 0, nil
	}
	d.begun = true
	return d.Reader.Read(p)
}

func TestHTTP2EventsAreFlushedOneByOne(t *testing.T) {
	t.Parallel()
	events := make(chan string, 1)
	r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) {
		return answer(http.StatusOK, "text/event-stream", said(events)), nil
	}}, testConfig(t))
	events <- "data: 0\n\n" // with which the head of a sealed reply comes
	resp, err := r.insistent().Do(newPost(t.Context(), t, secureURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for i := range 3 { // each is read before the next is sent
		want := fmt.Sprintf("data: %d\n\n", i)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
		events <- fmt.Sprintf("data: %d\n\n", i+1)
	}
	close(events)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "data: 3\n\n" {
		t.Errorf("then %q, %v", rest, err)
	}
}

// said is a body of what a channel gives.
type said chan string

func (s said) Read(p []byte) (int, error) {
	event, more := <-s
	if !more {
		return 0, io.EOF
	}
	return copy(p, event), nil
}

// T82 for HTTP/2: streams go on to their end, new ones are not begun.
func TestT82_DrainLetsOpenHTTP2StreamsEnd(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t))
	idle := r.frames()
	f := r.frames()
	const n = 50
	open := make(map[uint32]bool, n)
	for range n {
		open[f.post()] = true
	}
	eventually(t, func() bool { return upstream.open.Load() == n }, func() string { return "the streams do not begin" })
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	for away := false; !away; {
		frame := f.next()
		if reset, ok := frame.(*http2.RSTStreamFrame); ok {
			t.Fatalf("stream %d is cut", reset.StreamID)
		}
		_, away = frame.(*http2.GoAwayFrame)
	}
	idle.away()
	late := f.headers(true, head()...)
	select {
	case err := <-ended:
		t.Fatalf("Run ended with streams open: %v", err)
	default:
	}
	close(upstream.finish)
	for len(open) > 0 {
		frame := f.next()
		stream := frame.Header().StreamID
		if _, ok := frame.(*http2.RSTStreamFrame); ok || stream == late {
			t.Fatalf("got %v", frame)
		}
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamEnded() {
			delete(open, stream)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := upstream.open.Load(); got != n {
		t.Errorf("%d streams were begun, want %d", got, n)
	}
}

func TestDrainCutsHTTP2StreamsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t, func(c *config.Config) { c.Timeouts.Drain = 50 * time.Millisecond }))
	resp, err := r.insistent().Do(newPost(t.Context(), t, secureURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a cut stream ended well: %q", body)
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "drained", "protocol": "HTTP/2.0"})
}

// A data port with TLS takes HTTP/2 as an API server does, and for nothing else.
func TestHTTP2OnADataPortWithTLS(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	pki := newPKI(t)
	files := newTLSFiles(t, pki.server(t)).clientsOf(t, pki)
	r := start(t, upstream, testConfig(t, files.apply))
	conn, err := r.overTLS(pki, pki.client(t, "app one"), "h2")
	if err != nil {
		t.Fatal(err)
	}
	f := framesOver(t, conn)
	own := field(":authority", r.Addr().String())
	if got := f.outcome(f.post(own)); got.status != "200" {
		t.Errorf("base URL: %v", got)
	}
	upstream.only(t)
	r.log.line(t, map[string]any{"message": "request", "door": "base-url", "client": "app one", "protocol": "HTTP/2.0"})
	upstream.forget()
	if got := f.outcome(f.post(field(":authority", "evil.example.com"))); codeOf(got.body) != "unknown_host" {
		t.Errorf("T40, a name that was rebound: %v", got)
	}
	if got := f.outcome(f.post(own, field("origin", "https://evil.example.com"))); codeOf(got.body) != "browser_origin" {
		t.Errorf("T40, a web page: %v", got)
	}
	if got := f.outcome(f.post(own, field(":path", "http://third.example.com/third/x"))); codeOf(got.body) != "malformed_request" {
		t.Errorf("as a proxy: %v", got)
	}
	for _, target := range []string{routedHost + ":443", "other.example.com:443", r.Addr().String()} {
		stream := f.headers(false, field(":method", http.MethodConnect), field(":authority", target))
		if got := f.outcome(stream); got.status != "400" || codeOf(got.body) != "http2_connect" {
			t.Errorf("CONNECT %s: %v", target, got)
		}
	}
	if n := len(upstream.all()); n != 0 {
		t.Errorf("%d requests went through", n)
	}
}

func TestT42_HTTP2ClientsNeedTheirToken(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	pki := newPKI(t)
	files := newTLSFiles(t, pki.server(t))
	r := start(t, upstream, testConfig(t, files.apply, withTokens(tokenFile(t, "app:"+appToken))))
	conn, err := r.overTLS(pki, nil, "h2")
	if err != nil {
		t.Fatal(err)
	}
	f := framesOver(t, conn)
	own := field(":authority", r.Addr().String())
	if got := f.outcome(f.post(own)); got.status != "401" || codeOf(got.body) != "client_unauthenticated" {
		t.Errorf("without a token: %v", got)
	}
	if got := f.outcome(f.post(own, field(":path", "http://"+routedHost+"/v1/x"))); got.status != "401" || got.header.Get("Www-Authenticate") == "" {
		t.Errorf("without a token, as to a proxy: %v", got)
	}
	if got := f.outcome(f.post(own, field("x-sealcar-token", appToken))); got.status != "200" {
		t.Errorf("with one: %v", got)
	}
	if s := upstream.only(t); s.Header["X-Sealcar-Token"] != nil {
		t.Error("the token goes on")
	}
}

// What comes in place of the preface net/http quotes in its log, and it may be
// anything.
func TestT63_AGreetingThatIsNoHTTP2IsNotLogged(t *testing.T) {
	t.Parallel()
	ca := newPKI(t)
	r := start(t, new(recorder), testConfig(t, newTLSFiles(t, ca.server(t)).apply))
	conn, err := r.overTLS(ca, nil, "h2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "canary greeting, and more than a preface"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn) // however it ends
	line := r.log.line(t, map[string]any{"level": "debug", "message": "net/http"})
	if said, _ := line["said"].(string); !strings.Contains(said, "preface") || strings.Contains(said, "canary") {
		t.Errorf("the log says %q", said)
	}
}
