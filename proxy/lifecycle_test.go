package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/proxy"
)

// streams is a protocol whose replies begin and then wait to be finished.
type streams struct {
	open   atomic.Int64
	finish chan struct{}
}

func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.open.Add(1)
	return answer(200, "text/event-stream", &waiting{r.Context(), strings.NewReader("data: begin\n\n"), s.finish}), nil
}

// waiting gives a text, waits for the end, and gives one more.
type waiting struct {
	ctx    context.Context
	text   io.Reader
	finish chan struct{}
}

func (w *waiting) Read(p []byte) (int, error) {
	n, err := w.text.Read(p)
	if n > 0 || w.finish == nil {
		return n, err
	}
	select {
	case <-w.finish:
		w.finish, w.text = nil, strings.NewReader("data: [DONE]\n\n")
		return w.Read(p)
	case <-w.ctx.Done():
		return 0, context.Cause(w.ctx)
	}
}

func TestT82_DrainLetsOpenStreamsEnd(t *testing.T) {
	t.Parallel()
	const n = 1000
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t, func(c *config.Config) {
		c.Timeouts.StreamIdle, c.Timeouts.Drain = time.Hour, time.Hour // the first stream waits until the last has begun, however slow that is
	}))
	client := r.client()
	clients := []string{routedURL, "https://" + routedHost + "/v1/chat/completions", r.url("/v1/chat/completions")}
	results := make(chan error, n)
	for i := range n {
		resp, err := client.Do(newPost(context.Background(), t, clients[i%len(clients)], strings.NewReader(chat)))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err == nil && !strings.HasSuffix(string(body), "[DONE]\n\n") {
				err = fmt.Errorf("ended with %q", body)
			}
			results <- err
		}()
	}
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	eventually(t, func() bool {
		resp, _ := admin(t, r, "/readyz")
		return resp.StatusCode == http.StatusServiceUnavailable
	}, func() string { return "ready while draining" })
	eventually(t, func() bool {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, func() string { return "new connections while draining" })
	select {
	case err := <-ended:
		t.Fatalf("Run ended with streams open: %v", err)
	default:
	}
	close(upstream.finish)
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// SDKs read what they are told at the end in their API's form, too.
func TestAStoppedProxyAnswersInTheFormOfTheAPI(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t), func(o *proxy.Options) {
		o.ErrorForm = func(h http.Header) func(*apierror.Error) []byte {
			if h.Get("Anthropic-Version") == "" {
				return nil
			}
			return func(e *apierror.Error) []byte { return []byte("another form: " + e.Code) }
		}
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"2023-06-01": "another form: stopping\n", "": `{"error":{`} {
		req := newPost(t.Context(), t, routedURL, strings.NewReader(chat))
		req.Header.Set("Anthropic-Version", version)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != http.StatusServiceUnavailable || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("version %q: got %d %s", version, w.Code, w.Body)
		}
	}
}

func TestDrainCutsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	r := start(t, upstream, testConfig(t, func(c *config.Config) { c.Timeouts.Drain = 50 * time.Millisecond }))
	tunnel := r.connect(listen(t, greet))
	tunnel.send("\x00")
	if _, err := tunnel.r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	inner := r.connect(routedHost+":443").insideTLS(r, routedHost)
	byTLS := &raw{Conn: inner, t: t, r: bufio.NewReader(inner)}
	byTLS.send(post("/v1/chat/completions", routedHost, ""))
	plain := r.dial(post(routedURL, routedHost, ""))
	eventually(t, func() bool { return upstream.open.Load() == 2 }, func() string { return "the streams do not begin" })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*raw{byTLS, plain} {
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("a cut stream ended well: %q", body)
		}
	}
	if _, err := io.Copy(io.Discard, tunnel); errors.Is(err, errTimeout) {
		t.Error("the tunnel stays open")
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "drained", "door": "connect-tls"})
}

func TestDrainDoesNotWaitForConnectsWithoutARequest(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	c := r.connect(routedHost + ":443")
	began := make(chan error, 1)
	go func() { began <- r.stop() }()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, errTimeout) {
		t.Error("a silent CONNECT stays open")
	}
	if err := <-began; err != nil {
		t.Error(err)
	}
}

func TestDrainDoesNotWaitForIdleTunnels(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.Drain, c.Timeouts.Idle = time.Hour, time.Hour }))
	tunnel := r.connect(listen(t, greet))
	tunnel.send("\x00")
	if _, err := tunnel.r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		_ = tunnel.Close()
		t.Error("an idle tunnel holds the stop up")
	}
}

func TestAConfigurationThatCannotBeLoadedIsCounted(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	r.ReloadFailed(errors.New("line 3: nonsense"))
	if response, body := admin(t, r, "/readyz?verbose"); response.StatusCode != http.StatusOK || !strings.Contains(body, "the new configuration is not valid and the one before stays in force") || strings.Contains(body, "nonsense") {
		t.Errorf("%d: %s", response.StatusCode, body)
	}
	next := *testConfig(t)
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if _, body := admin(t, r, "/readyz"); !strings.Contains(body, "configuration valid") {
		t.Errorf("once it is mended: %s", body)
	}
	r.log.line(t, map[string]any{"level": "error", "error": "line 3: nonsense"})
	_, metrics := get(t, http.DefaultClient, "http://"+r.AdminAddr().String()+"/metrics")
	if !strings.Contains(metrics, `sealcar_config_reloads_total{result="error"} 1`) {
		t.Error("the failed reload is not counted")
	}
}

func TestRunEndsWhenAListenerDies(t *testing.T) {
	t.Parallel()
	var l net.Listener
	p, err := proxy.New(proxy.Options{
		Config: testConfig(t, func(c *config.Config) { c.Admin.Listen = "" }),
		Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) {
			return &proxy.Protocol{RoundTripper: new(recorder)}, nil
		},
		Listen: func(network, addr string) (net.Listener, error) {
			var err error
			l, err = net.Listen(network, addr)
			return l, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serving") {
		t.Errorf("Run: %v", err)
	}
}

func TestNewReportsWhatItCannotDo(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	ok := func(*config.Config, config.Route) (*proxy.Protocol, error) {
		return &proxy.Protocol{RoundTripper: new(recorder)}, nil
	}
	cases := map[string]struct {
		options proxy.Options
		says    string
	}{
		"nothing":          {proxy.Options{}, "needs Config and Protocol"},
		"listen in use":    {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Listen = busy.Addr().String() }), Protocol: ok}, "(listen)"},
		"admin in use":     {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Admin.Listen = busy.Addr().String() }), Protocol: ok}, "(admin.listen)"},
		"a host is none":   {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Routes[1].Hosts = []string{"a b"} }), Protocol: ok}, `route "third"`},
		"an allowed host":  {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.AllowedHosts = []string{"a b"} }), Protocol: ok}, "allowed_hosts"},
		"an upstream":      {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Routes[1].Upstream = "https://a:x" }), Protocol: ok}, "parsing upstream"},
		"no hosts":         {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Routes[1].Hosts = nil }), Protocol: ok}, "no hosts"},
		"protocol fails":   {proxy.Options{Config: testConfig(t), Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) { return nil, errors.New("no roots") }}, "no roots"},
		"ca_dir is a file": {proxy.Options{Config: testConfig(t, func(c *config.Config) { c.Interception.CADir = "/dev/null" }), Protocol: ok}, "ca_dir"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := proxy.New(tc.options); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

// counted makes protocols that count how many are open.
func counted(open *atomic.Int64, fail *atomic.Bool, rt http.RoundTripper) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Protocol = func(_ *config.Config, r config.Route) (*proxy.Protocol, error) {
			if fail.Load() && r.Name == "third" {
				return nil, errors.New("reading roots: no such file")
			}
			open.Add(1)
			return &proxy.Protocol{RoundTripper: rt, Close: func() { open.Add(-1) }}, nil
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var fail atomic.Bool
	upstream := &streams{finish: make(chan struct{})}
	c := testConfig(t)
	r := start(t, nil, c, counted(&open, &fail, upstream))
	resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()

	next := *c
	next.Egress.Default = "deny"
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if n := open.Load(); n != 4 {
		t.Errorf("%d protocols open while a request uses the old ones, want 4", n)
	}
	_, body := get(t, r.client(), "http://127.0.0.1:1/")
	if !strings.Contains(body, "egress_denied") {
		t.Errorf("the new configuration is not in force: %s", body)
	}
	close(upstream.finish)
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "[DONE]") {
		t.Errorf("a request over a reload: %q %v", body, err)
	}
	eventually(t, func() bool { return open.Load() == 2 }, func() string { return "the old protocols stay open" })
	if got := metric(t, r, `sealcar_config_reloads_total{result="ok"}`); got != "1" {
		t.Errorf("%s reloads", got)
	}
	if err := r.stop(); err != nil || open.Load() != 0 {
		t.Errorf("after the end %d protocols are open (%v)", open.Load(), err)
	}
	if err := r.Reload(&next); err == nil || open.Load() != 0 {
		t.Errorf("a reload after the end: %v, %d protocols open", err, open.Load())
	}
}

func TestT62_BadReloadKeepsTheOld(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var fail atomic.Bool
	c := testConfig(t)
	r := start(t, nil, c, counted(&open, &fail, new(recorder)))
	fail.Store(true)
	next := *c
	next.Egress.Default = "deny"
	if err := r.Reload(&next); err == nil || !strings.Contains(err.Error(), "reading roots") {
		t.Errorf("Reload: %v", err)
	}
	if n := open.Load(); n != 2 {
		t.Errorf("%d protocols open, want 2", n)
	}
	if _, body := get(t, r.client(), "http://127.0.0.1:1/"); !strings.Contains(body, "upstream_unreachable") {
		t.Errorf("the bad configuration is in force: %s", body)
	}
	if resp, _ := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat))); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if got := metric(t, r, `sealcar_config_reloads_total{result="error"}`); got != "1" {
		t.Errorf("%s failed reloads", got)
	}
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var fail atomic.Bool
	c := testConfig(t)
	r := start(t, nil, c, counted(&open, &fail, new(recorder)))
	done := make(chan error, 4)
	for range cap(done) {
		client := r.client()
		go func() {
			for range 50 {
				resp, err := client.Post("https://"+routedHost+"/v1/x", "application/json", strings.NewReader(chat))
				if err != nil {
					done <- err
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					done <- errors.New(resp.Status)
					return
				}
			}
			done <- nil
		}()
	}
	for range 20 {
		next := *c
		if err := r.Reload(&next); err != nil {
			t.Error(err)
		}
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	eventually(t, func() bool { return open.Load() == 2 }, func() string { return fmt.Sprintf("%d protocols open", open.Load()) })
}

func TestT39_ListensWhereItIsTold(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	for _, a := range []net.Addr{r.Addr(), r.AdminAddr()} {
		if !a.(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("listens on %v", a)
		}
	}
}
