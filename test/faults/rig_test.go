package faults_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"sealcar/enclave"
	"sealcar/test/inprocess"
	"sealcar/test/wire"
)

// Where endpoint certificates come from: over the same network, or from a file,
// so that a chat is all that crosses it.
const (
	byAPIKey = "{source: api-key, roots: 'STATE/roots.pem'}"
	byFile   = "{source: file, file: 'STATE/endpoint.pem', roots: 'STATE/roots.pem'}"
)

// The sidecar's patience.
const (
	patient   = time.Minute            // where nothing waits for it
	impatient = 300 * time.Millisecond // where it ends a stall, and it does not matter if it ends more
	generous  = 5 * time.Second        // where it ends a stall, and nothing else
)

// rig is a sidecar and an enclave with a bad network between them.
type rig struct {
	network *toxiproxy.Proxy
	url     string // base URL for applications
	key     string
	secret  string         // is in every prompt
	more    string         // behind it
	chats   int            // so far
	wire    *wire.Recorder // at the enclave
}

func start(t *testing.T, certificate string, patience time.Duration) *rig {
	t.Helper()
	r := &rig{secret: "Secret" + rand.Text(), wire: new(wire.Recorder)}
	r.wire.Guard(t, r.secret)
	far := inprocess.StartEnclave(t, enclave.Options{Tap: r.wire.Tap, EchoDelay: time.Millisecond, Drain: impatient})
	inprocess.Certificate(t, far.State)
	r.key = far.Key
	r.network = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "network", "127.0.0.1:0", far.Addr)
	if err := r.network.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.network.Stop)

	near := inprocess.StartSidecar(t, strings.NewReplacer("STATE", far.State, "NETWORK", r.network.Listen, "PATIENCE", patience.String()).Replace(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: '`+t.TempDir()+`'
timeouts: {tls_handshake: PATIENCE, response_header: PATIENCE, stream_idle: PATIENCE, certificate: PATIENCE}
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://NETWORK
    upstream_ca_file: 'STATE/tls-ca.pem'
    certificate: `+certificate+"\n"), nil)
	r.url = "http://" + near.Addr().String() + "/v1/chat/completions"
	return r
}

// sent is how often each chat reached the enclave, by its number.
func (r *rig) sent() map[string]int {
	count := map[string]int{}
	for _, found := range regexp.MustCompile(`\nX-Client-Request-Id: (\d+)\r`).FindAllSubmatch(r.wire.Received(), -1) {
		count[string(found[1])]++
	}
	return count
}

// toxic makes the network worse: a kind of toxiproxy's, for what goes up to the
// enclave or down from it.
func (r *rig) toxic(t *testing.T, kind, direction, attributes string) {
	t.Helper()
	doc := fmt.Sprintf(`{"name":"%s-%s","type":%[1]q,"stream":%[2]q,"attributes":{%[3]s}}`, kind, direction, attributes)
	if _, err := r.network.Toxics.AddToxicJson(strings.NewReader(doc)); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
}

// answered is what an application got.
type answered struct {
	status int
	body   string
	err    error // of the request, or of reading the reply
}

// prompt is how a chat of the rig ends; the echo says it back.
const prompt = "one two three four five six seven"

// send begins a chat.
func (r *rig) send(t *testing.T, stream bool) (*http.Response, error) {
	t.Helper()
	body := fmt.Sprintf(`{"model":"ep-1","stream":%t,"messages":[{"role":"user","content":"%s %s%s"}]}`, stream, r.secret, prompt, r.more)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.key)
	r.chats++
	req.Header.Set("X-Client-Request-Id", strconv.Itoa(r.chats))
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
}

// chat sends a chat and reads the answer.
func (r *rig) chat(t *testing.T, stream bool) answered {
	t.Helper()
	resp, err := r.send(t, stream)
	if err != nil {
		return answered{err: err}
	}
	return finish(resp)
}

func finish(resp *http.Response) answered {
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, string(text), err}
}

// complete says whether an application takes the answer for a whole one.
func (a answered) complete(stream bool) bool {
	return a.status == http.StatusOK && a.err == nil && a.code() == "" && (!stream || strings.HasSuffix(a.body, "data: [DONE]\n\n"))
}

// failed says whether an application sees that it got no whole answer: an error
// document with a status, or a connection that broke.
func (a answered) failed() bool { return a.err != nil || a.status >= 400 && a.code() != "" }

// code is that of sealcar's error document, alone or at the end of a stream.
func (a answered) code() string {
	events := strings.Split("\n"+a.body, "\ndata: ")
	var e struct {
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(events[len(events)-1]), &e) // what is no document has no code
	return e.Error.Code
}

// text is the content of the answer.
func (a answered) text() string {
	text := ""
	for line := range strings.Lines(a.body) {
		var c struct {
			Choices []struct{ Message, Delta struct{ Content string } }
		}
		_ = json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &c) // what cannot be read has no text
		for _, choice := range c.Choices {
			text += choice.Message.Content + choice.Delta.Content
		}
	}
	return text
}

// readCloser reads from one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}
