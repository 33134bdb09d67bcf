package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/enclave"
	"sealcar/sidecar"
)

// lines is a log that can be counted while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count is how many lines hold all of the words.
func (l *lines) count(words ...string) int {
	n := 0
lines:
	for line := range strings.Lines(l.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		n++
	}
	return n
}

const (
	fetches = `"endpoint":"POST /api/v3/e2e/get/certificate"`
	chats   = `"endpoint":"POST /api/v3/chat/completions"`
)

// pair is an enclave and a sidecar in front of it, both running.
type pair struct {
	enclave *enclave.Server
	state   string // the enclave's
	calls   *lines // the enclave's log
	log     *lines // the sidecar's log
	address string // of the enclave
	url     string // base URL for applications
	admin   string
	key     string // the enclave's API key
}

// startPair runs both ends until the test ends. route is more of the sidecar's
// route, top more of its configuration, both in YAML; %ENCLAVE% and %STATE% in
// them are the enclave's address and state directory.
func startPair(t *testing.T, o enclave.Options, route, top string) *pair {
	t.Helper()
	p := &pair{state: filepath.Join(t.TempDir(), "enclave"), calls: new(lines), log: new(lines)}
	o.StateDir, o.Backend, o.Log = p.state, enclave.BackendEcho, zerolog.New(p.calls)
	var err error
	if p.enclave, err = enclave.New(o); err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = ln.Addr().String()
	run(t, func(ctx context.Context) error { return p.enclave.Serve(ctx, ln) })
	key, err := os.ReadFile(filepath.Join(p.state, "api-key"))
	if err != nil {
		t.Fatal(err)
	}
	p.key = strings.TrimSpace(string(key))

	text := strings.NewReplacer("%ENCLAVE%", p.address, "%STATE%", p.state).Replace(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
state_dir: '` + filepath.Join(t.TempDir(), "sidecar") + `'
` + top + `
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://%ENCLAVE%
    upstream_ca_file: '%STATE%/tls-ca.pem'
` + route)
	c, err := config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + text}})
	if err != nil {
		t.Fatal(err)
	}
	side, err := sidecar.New(c, zerolog.New(p.log), "test", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	run(t, side.Run)
	p.url, p.admin = "http://"+side.Addr().String()+"/v1", "http://"+side.AdminAddr().String()
	return p
}

const byAPIKey = "    certificate: {source: api-key, roots: '%STATE%/roots.pem'}\n"

// run runs something until the test ends.
func run(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// answered is what an application gets.
type answered struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// code is that of an error document, alone or at the end of a stream.
func (a answered) code() string {
	doc := a.body[strings.LastIndex("data: "+a.body, "data: "):]
	var e struct {
		Error struct{ Type, Code string }
	}
	if json.Unmarshal([]byte(strings.TrimSpace(strings.TrimPrefix(doc, "data: "))), &e) != nil || e.Error.Type != "sealcar_error" {
		return ""
	}
	return e.Error.Code
}

// text is the content of a reply, streamed or not; a stream must be complete.
func (a answered) text() string {
	docs := []string{a.body}
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		events, whole := strings.CutSuffix(a.body, "data: [DONE]\n\n")
		if !whole {
			return ""
		}
		docs = strings.Split(strings.TrimPrefix(events, "data: "), "data: ")
	}
	text := ""
	for _, doc := range docs {
		var c struct {
			Choices []struct{ Message, Delta struct{ Content string } }
		}
		_ = json.Unmarshal([]byte(doc), &c) // what cannot be read has no text
		for _, choice := range c.Choices {
			text += choice.Message.Content + choice.Delta.Content
		}
	}
	return text
}

// chat sends a chat as an application would; key is its API key, "" for none.
func (p *pair) chat(t *testing.T, key, members, content string) answered {
	t.Helper()
	body := fmt.Sprintf(`{"model":"ep-1",%s"messages":[{"role":"user","content":%q}]}`, members, content)
	return p.call(t, http.MethodPost, "/chat/completions", key, body)
}

func (p *pair) call(t *testing.T, method, path, key, body string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return answered{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, string(text), err}
}

// client knows no proxy, whatever the environment says.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// metric is the value of a series without its labels, summed.
func (p *pair) metric(t *testing.T, name string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// eventually waits for what is counted after an answer has gone out.
func eventually(t *testing.T, is func() bool, what func() string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what())
		}
	}
}

// generations keeps a request from living through two rotations: it may be
// tried once more, not twice.
type generations struct {
	mu      sync.Mutex
	current *sync.WaitGroup
	before  *sync.WaitGroup // began before the rotation before
}

func (g *generations) begin() (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current.Add(1)
	return g.current.Done
}

// pass calls rotate once the requests from before the last pass are over, while
// later ones go on.
func (g *generations) pass(rotate func() error) error {
	g.before.Wait()
	err := rotate()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before, g.current = g.current, new(sync.WaitGroup)
	return err
}

func TestT19_RotationUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	const requests, workers, rotations = 1000, 32, 5
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	g := &generations{current: new(sync.WaitGroup), before: new(sync.WaitGroup)}
	var next, done atomic.Int64
	var wg sync.WaitGroup
	due := make(chan struct{}, rotations)
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= requests; i = next.Add(1) {
				end := g.begin()
				stream := i%3 == 0
				got := p.chat(t, p.key, fmt.Sprintf(`"stream":%t,`, stream), fmt.Sprintf("canary-%d of many words", i))
				end()
				if want := fmt.Sprintf("You said: canary-%d of many words", i); got.status != 200 || got.err != nil || got.text() != want {
					t.Errorf("request %d: %d %q, %v", i, got.status, got.body, got.err)
				}
				if n := done.Add(1); n%(requests/(rotations+1)) == 0 && len(due) < cap(due) {
					due <- struct{}{}
				}
			}
		})
	}
	for range rotations {
		<-due
		if err := g.pass(p.enclave.Rotate); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()

	if n := p.calls.count(fetches); n != 1+rotations {
		t.Errorf("%d fetches of the certificate, want one and one for each rotation", n)
	}
	retries := p.calls.count(chats, `"status":400`)
	if retries < rotations || retries > rotations*workers {
		t.Errorf("%d requests were tried twice, want %d to %d", retries, rotations, rotations*workers)
	}
	if n := p.calls.count(chats, `"status":200`); n != requests {
		t.Errorf("the enclave answered %d chats, want each once", n)
	}
	eventually(t, func() bool { return p.metric(t, "sealcar_rotations_total") == retries }, func() string {
		return fmt.Sprintf("sealcar_rotations_total is %d, want %d", p.metric(t, "sealcar_rotations_total"), retries)
	})
	if n := p.log.count(`"retried":true`, `"status":200`); n != retries {
		t.Errorf("%d lines of the log tell of another attempt, want %d", n, retries)
	}
	if strings.Contains(p.log.String()+p.calls.String(), "canary") {
		t.Error("content is in a log")
	}
}

func TestT19_WithAnOverlapNobodyIsTriedTwice(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{KeyOverlap: time.Hour}, byAPIKey, "")
	for i := range 6 {
		if got := p.chat(t, p.key, "", "hello"); got.text() != "You said: hello" {
			t.Fatalf("chat %d: %d %s", i, got.status, got.body)
		}
		if err := p.enclave.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if n, retried := p.calls.count(fetches), p.log.count(`"retried":true`); n != 1 || retried != 0 {
		t.Errorf("%d fetches and %d retries, want 1 and none", n, retried)
	}
}

// A client whose own requests are wrong must not make us ask for the certificate
// each time, and gets the API's own answer.
func TestT19_AClientsOwnErrorsDriveNoFetches(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	direct := p.chat(t, p.key, `"n":-1,`, "hello")
	if direct.status != 400 || direct.code() != "" || !strings.Contains(direct.body, `"error"`) {
		t.Fatalf("got %d %s, want the backend's refusal", direct.status, direct.body)
	}
	start := time.Now()
	for range 200 {
		if got := p.chat(t, p.key, `"n":-1,`, "hello"); got.status != 400 || got.body != direct.body {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	// The first chat fetches, its refusal asks once more; after that a second, two, four, …
	if n, most := p.calls.count(fetches), 2+int(time.Since(start).Seconds()); n > most {
		t.Errorf("201 refused requests made %d fetches, want at most %d", n, most)
	}
	if n := p.calls.count(chats); n != 201 {
		t.Errorf("201 requests were sent %d times", n)
	}
}
