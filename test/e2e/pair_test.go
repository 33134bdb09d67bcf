package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/enclave"
	"sealcar/test/inprocess"
	"sealcar/test/wire"
)

// lines is a log that can be counted while it is written.
type lines struct{ inprocess.Log }

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
	enclave *inprocess.Enclave
	wire    *wire.Recorder
	calls   *lines // the enclave's log
	log     *lines // the sidecar's log
	url     string // base URL for applications
	admin   string
	key     string // the enclave's API key
}

// startPair runs both ends until the test ends. route is more of the sidecar's
// route, top more of its configuration, both in YAML; %ENCLAVE% and %STATE% in
// them are the enclave's address and state directory.
func startPair(t *testing.T, o enclave.Options, route, top string) *pair {
	t.Helper()
	p := &pair{wire: new(wire.Recorder), calls: new(lines), log: new(lines)}
	p.wire.Guard(t, secretWord)
	o.Tap, o.Log = p.wire.Tap, zerolog.New(p.calls)
	p.enclave = inprocess.StartEnclave(t, o)
	p.key = p.enclave.Key
	side := inprocess.StartSidecar(t, strings.NewReplacer("%ENCLAVE%", p.enclave.Addr, "%STATE%", p.enclave.State).Replace(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
state_dir: '`+t.TempDir()+`'
`+top+`
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://%ENCLAVE%
    upstream_ca_file: '%STATE%/tls-ca.pem'
`+route), p.log)
	p.url, p.admin = "http://"+side.Addr().String()+"/v1", "http://"+side.AdminAddr().String()
	return p
}

const byAPIKey = "    certificate: {source: api-key, roots: '%STATE%/roots.pem'}\n"

// answered is what an application gets.
type answered struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// code is that of an error document, alone or at the end of a stream.
func (a answered) code() string {
	doc := a.body[strings.LastIndex("\ndata: "+a.body, "\ndata: "):]
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

// received says whether the upstream has got a word that can be read.
func (p *pair) received(word string) bool { return len(wire.Leaks(p.wire.Received(), word)) > 0 }

// chat sends a chat as an application would; key is its API key, "" for none. It
// begins with the secret word.
func (p *pair) chat(t *testing.T, key, members, content string) answered {
	t.Helper()
	body := fmt.Sprintf(`{"model":"ep-1",%s"messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, members, secretWord, content)
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
