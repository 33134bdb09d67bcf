package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

const arkHost = "ark.cn-beijing.volces.com"

// scene is one chat as it was seen from four sides.
type scene struct {
	Title string `json:"title"`

	AppSent      string `json:"app_sent"`     // request line, headers and body, as the application wrote them
	WireRequest  string `json:"wire_request"` // the same inside TLS, at the enclave's listener
	Opened       string `json:"opened"`       // body that the enclave handed to its backend
	WireReply    string `json:"wire_reply"`   // inside TLS, on its way back
	AppReceived  string `json:"app_received"` // status line, headers and body, as the application read them
	WireBytes    int    `json:"wire_bytes"`   // both ways, the certificate's exchange included
	Certificates int    `json:"certificates"` // certificate exchanges that the chat needed
	Steps        []step `json:"steps"`        // in order
	wireAll      []byte // every byte of it
}

// step is one leg of the way, with the time it took.
type step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// chat sends one chat as an application that knows nothing of encryption, by
// HTTP_PROXY.
func (s *stage) chat(ctx context.Context, word string, stream bool) (*scene, error) {
	title, body := "A chat", `{"model":"ep-demo","messages":[{"role":"system","content":"You keep secrets."},{"role":"user","content":"The password is %s"}]}`
	if stream {
		title, body = "A streamed chat", `{"model":"ep-demo","stream":true,"messages":[{"role":"user","content":"Spell %s"}]}`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+arkHost+"/api/v3/chat/completions", strings.NewReader(fmt.Sprintf(body, word)))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.apiKey)
	sent, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return nil, fmt.Errorf("recording the request: %w", err)
	}
	clock := new(appClock)
	received, err := exchange(clock.trace(req), s.sidecar.Addr().String())
	clock.done = time.Now()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	scene := &scene{Title: title, AppSent: string(sent), AppReceived: string(received)}
	if err := s.record(scene, clock); err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	return scene, nil
}

// exchange sends req through the proxy at addr and returns the reply as the
// application read it, headers and body. Any status but 200 is an error.
func exchange(req *http.Request, addr string) ([]byte, error) {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr}), DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	head, err := httputil.DumpResponse(resp, false)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the application got %s: %s", resp.Status, body)
	}
	return append(head, body...), nil
}

// appClock is what the application could measure.
type appClock struct{ sent, first, done time.Time }

func (c *appClock) trace(req *http.Request) *http.Request {
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { c.sent = time.Now() },
		GotFirstResponseByte: func() { c.first = time.Now() },
	}))
}

// record fills in what crossed the wire, what was opened, and the time of each
// leg.
func (s *stage) record(scene *scene, app *appClock) error {
	var reached time.Time // the chat's first byte at the enclave
	for _, r := range s.wire.take() {
		scene.wireAll = append(append(scene.wireAll, r.up.bytes...), r.down.bytes...)
		requests, err := messages(r.up.bytes, readRequest)
		if err != nil {
			return err
		}
		replies, err := messages(r.down.bytes, readReply)
		if err != nil {
			return err
		}
		offset := 0
		for i, q := range requests {
			if strings.Contains(q, "/chat/completions ") && i < len(replies) {
				scene.WireRequest, scene.WireReply, reached = q, replies[i], r.up.at(offset)
			} else {
				scene.Certificates++
			}
			offset += len(q)
		}
	}
	if scene.WireRequest == "" {
		return errors.New("no chat crossed the wire")
	}
	scene.WireBytes = len(scene.wireAll)
	opened, asked, answered := s.backend.last()
	scene.Opened = string(opened)
	sealing := "sidecar seals and sends"
	if scene.Certificates > 0 {
		sealing = "sidecar fetches and verifies the certificate, seals, sends"
	}
	scene.Steps = []step{
		{sealing, reached.Sub(app.sent).Seconds()},
		{"enclave opens, hands to the model", asked.Sub(reached).Seconds()},
		{"model begins its answer", answered.Sub(asked).Seconds()},
		{"enclave seals, sidecar opens, app has the first byte", app.first.Sub(answered).Seconds()},
		{"app has the rest", app.done.Sub(app.first).Seconds()},
	}
	return nil
}

// messages splits one direction of a connection into its HTTP messages, to the
// byte. read reads one of them.
func messages(b []byte, read func(*bufio.Reader) error) ([]string, error) {
	src := bytes.NewReader(b)
	r := bufio.NewReader(src)
	var found []string
	for start := 0; ; {
		err := read(r)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what crossed the wire: %w", err)
		}
		end := len(b) - src.Len() - r.Buffered()
		found = append(found, string(b[start:end]))
		start = end
	}
}

func readRequest(r *bufio.Reader) error {
	req, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err
}

func readReply(r *bufio.Reader) error {
	if _, err := r.Peek(1); err != nil { // ReadResponse calls an end between messages unexpected
		return err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// check holds the scene against the promise.
func (s *scene) check(word string) error {
	switch {
	case bytes.Contains(s.wireAll, []byte(word)):
		return fmt.Errorf("%s: the word %q of the prompt crossed the wire in clear", s.Title, word)
	case !strings.Contains(s.Opened, word):
		return fmt.Errorf("%s: the enclave did not open the prompt", s.Title)
	case !strings.Contains(s.AppReceived, word):
		return fmt.Errorf("%s: the answer did not come back in clear", s.Title)
	}
	return nil
}
