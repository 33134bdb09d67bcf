package proxy_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"sealcar/config"
)

const secureURL = "https://" + routedHost + "/v1/chat/completions"

func TestClientThatInsistsOnHTTP2IsServedAsAnyOther(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	for _, client := range []*http.Client{r.client(), r.insistent()} {
		req := newPost(t.Context(), t, secureURL+"?a=b;c", strings.NewReader(chat))
		for _, name := range []string{"Authorization", "X-Forwarded-For", "Cookie", "X-Client-Request-Id", "User-Agent"} {
			req.Header.Set(name, "a value")
		}
		req.Header.Set("Te", "trailers")
		if resp, body := do(t, client, req); resp.StatusCode != http.StatusOK || body != `{"ok":true}` {
			t.Fatalf("%s %s", resp.Status, body)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+routedHost+"/v1/models", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "a value")
		if resp, body := do(t, client, req); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	all := upstream.all()
	if len(all) != 4 || !reflect.DeepEqual(all[:2], all[2:]) {
		t.Errorf("upstream, by HTTP/1.1:\n%+v\nby HTTP/2:\n%+v", all[:2], all[2:])
	}
	r.log.line(t, map[string]any{"message": "request", "door": "connect-tls", "method": "POST", "status": 200.0, "protocol": "HTTP/2.0"})
	if n := strings.Count(r.log.String(), `"protocol"`); n != 2 {
		t.Errorf("%d lines name a protocol, want those of HTTP/2 alone", n)
	}
	if got := metric(t, r, `sealcar_requests_total{route="ark",status="200",treatment="sealed"}`); got != "4" {
		t.Errorf("%s requests are counted", got)
	}
}

func TestALPNPrefersHTTP1(t *testing.T) {
	t.Parallel()
	pki := newPKI(t)
	r := start(t, new(recorder), testConfig(t))
	gateway := start(t, new(recorder), testConfig(t, newTLSFiles(t, pki.server(t)).apply))
	for _, tc := range []struct {
		offer   []string
		chosen  string
		refused bool
	}{
		{[]string{"h2", "http/1.1"}, "http/1.1", false},
		{[]string{"http/1.1", "h2"}, "http/1.1", false},
		{[]string{"h2"}, "h2", false},
		{[]string{"h3", "h2"}, "h2", false},
		{[]string{"http/1.1"}, "http/1.1", false},
		{nil, "", false},
		{[]string{"h2c"}, "", true},
		{[]string{"h3"}, "", true},
		{[]string{"http/1.0"}, "", true},
	} {
		inside, err := r.connect(routedHost+":443").offering(r, tc.offer...)
		if chosen := inside.ConnectionState().NegotiatedProtocol; (err != nil) != tc.refused || chosen != tc.chosen {
			t.Errorf("inside a CONNECT, %q gives %q, %v", tc.offer, chosen, err)
		}
		port, err := gateway.overTLS(pki, nil, tc.offer...)
		if chosen := port.ConnectionState().NegotiatedProtocol; (err != nil) != tc.refused || chosen != tc.chosen {
			t.Errorf("on a data port with TLS, %q gives %q, %v", tc.offer, chosen, err)
		}
	}
}

// Some clients speak HTTP/2 inside TLS whatever was agreed on: httpx does if it is
// told to speak nothing else.
func TestHTTP2InsideTLSNeedsNoALPN(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	for _, offer := range [][]string{{"http/1.1", "h2"}, {"http/1.1"}, nil} {
		conn, err := r.connect(routedHost+":443").offering(r, offer...)
		if err != nil {
			t.Fatal(err)
		}
		f := framesOver(t, conn)
		if got := f.outcome(f.post()); got.status != "200" {
			t.Errorf("%q offered: %v", offer, got)
		}
	}
	if n := len(upstream.all()); n != 3 {
		t.Errorf("%d requests went through", n)
	}
}

func TestT53_HTTP2InClearIsRefused(t *testing.T) {
	t.Parallel()
	const preface = http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	for name, c := range map[string]*raw{
		"in clear":                     r.dial(""),
		"in clear inside a CONNECT":    r.connect(routedHost + ":80"),
		"in clear, to port 443":        r.connect(routedHost + ":443"),
		"in clear to our own address":  r.connect(r.Addr().String()),
		"behind a request in HTTP/1.1": r.dial(post(routedURL, routedHost, "Content-Type: x\r\n")),
	} {
		if strings.HasPrefix(name, "behind") {
			c.response()
		}
		c.send(preface)
		got, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if n := len(upstream.all()); n != 1 {
		t.Errorf("%d requests went through, want the one in HTTP/1.1", n)
	}
}

func TestHTTP2RepliesComeThrough(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		h := w.Header()
		h.Del("Link")
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2")
		h.Set("Trailer", "X-Sum")
		h.Set("Keep-Alive", "timeout=1")
		h.Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		h.Set("X-Sum", "7")
	})
	r := start(t, overHTTP{s}, testConfig(t))
	f := r.frames()
	got := f.outcome(f.post())
	if got.String() != "103 200 data: 1\n\n" {
		t.Errorf("got %q", got)
	}
	if cookies := got.header["Set-Cookie"]; len(cookies) != 2 || got.header["Keep-Alive"] != nil || got.header["Connection"] != nil {
		t.Errorf("headers %v", got.header)
	}
	if got.trailer.Get("X-Sum") != "7" {
		t.Errorf("trailers %v", got.trailer)
	}
}

func TestHTTP2ExpectContinueIsAnswered(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	stream := f.headers(false, head(field("expect", "100-continue"))...)
	interim, ok := f.next().(*http2.MetaHeadersFrame)
	if !ok || interim.PseudoValue("status") != "100" {
		t.Fatalf("got %v", interim)
	}
	f.must(f.WriteData(stream, true, []byte(chat)))
	if got := f.outcome(stream); got.status != "200" {
		t.Errorf("got %v", got)
	}
	if s := upstream.only(t); s.Header["Expect"] != nil || s.Body != chat {
		t.Errorf("upstream got %+v", s)
	}
}

// Who asks for a host by :authority, Host and the hello means one, that of the
// CONNECT or another of its route.
func TestHTTP2RequestsAreForTheHostOfTheirCONNECT(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	for authority, want := range map[string]string{
		routedHost:                    "200",
		routedHost + ":443":           "200",
		strings.ToUpper(routedHost):   "200",
		otherHost:                     "400",
		routedHost + ":80":            "400",
		"evil.example.com":            "400",
		r.Addr().String():             "400",
		"127.1":                       "400",
		"":                            "400",
		routedHost + ", " + otherHost: "400",
	} {
		got := f.outcome(f.post(field(":authority", authority)))
		if got.status != want || want != "200" && !strings.Contains(got.body, `"host_mismatch"`) {
			t.Errorf("%q: %v", authority, got)
		}
	}
	if got := f.outcome(f.post(field("-:authority", ""), field("host", routedHost))); got.status != "200" { // RFC 9113 section 8.3.1
		t.Errorf("Host alone: %v", got)
	}
	if got := f.outcome(f.post(field(":authority", "a@"+routedHost))); !got.broken {
		t.Errorf("credentials: %v", got)
	}
	for _, s := range upstream.all() {
		if s.Host != routedHost || s.Header["Host"] != nil {
			t.Errorf("upstream got %+v", s)
		}
	}
}

func TestReloadedAwayHostIsNotServedOverItsOldHTTP2Connection(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	c := testConfig(t)
	r := start(t, upstream, c)
	f := r.frames()
	if got := f.outcome(f.post()); got.status != "200" {
		t.Fatal(got)
	}
	next := *c
	next.Routes = []config.Route{c.Routes[1]}
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if got := f.outcome(f.post()); got.status != "400" || !strings.Contains(got.body, `"no_route"`) {
		t.Errorf("got %v", got)
	}
	upstream.only(t)
}

// Trailers come after what was checked, so they end here.
func TestHTTP2RequestTrailersAreNotPassedOn(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	f := r.frames()
	stream := f.headers(false, head(field("trailer", "X-Session-Token"))...)
	f.must(f.WriteData(stream, false, []byte(chat)))
	f.must(f.send(stream, true, field("x-session-token", "t"), field("x-other", "u")))
	if got := f.outcome(stream); got.status != "200" {
		t.Fatal(got)
	}
	if s := upstream.only(t); s.Body != chat || s.Header["Trailer"] != nil || s.Header["X-Session-Token"] != nil || s.Header["X-Other"] != nil {
		t.Errorf("upstream got %+v", s)
	}
}
