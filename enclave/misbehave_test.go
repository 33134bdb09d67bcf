package enclave_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/enclave"
)

func TestNothingIsWrongUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for _, m := range enclave.Misbehaviours() {
		if m.Name == "" || m.Meaning == "" {
			t.Errorf("%+v is not explained", m)
		}
	}
	var log bytes.Buffer
	o := enclave.Options{StateDir: newState(t), Backend: "echo", Log: zerolog.New(&log)}
	if _, err := enclave.New(o); err != nil || log.Len() > 0 {
		t.Errorf("%v, log %q", err, log.String())
	}
	o.Misbehave = []string{"leaf-expired", "rotate=3"}
	if _, err := enclave.New(o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `"level":"warn"`) || !strings.Contains(log.String(), "leaf-expired") || !strings.Contains(log.String(), "wrong on purpose") {
		t.Errorf("log %q", log.String())
	}
}

func TestUnknownMisbehaviourIsRefused(t *testing.T) {
	t.Parallel()
	for want, list := range map[string][]string{
		"none of leaf-expired":              {"nonsense"},
		"none of ":                          {""},
		"rotate=N":                          {"rotate"},
		"not a number":                      {"rotate=0"},
		"is not a number of chats":          {"rotate=x"},
		"it names no model":                 {"certificate-500-for="},
		"another of its kind":               {"certificate-500", "certificate-html"},
		`"leaf-wrong-ku": another`:          {"leaf-expired", "leaf-wrong-ku"},
		`"reply-truncated": another of its`: {"reply-plaintext", "reply-truncated"},
		`"leaf-expired=1": it is none of`:   {"leaf-expired=1"},
	} {
		_, err := enclave.New(enclave.Options{StateDir: newState(t), Backend: "echo", Misbehave: list})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", list, err, want)
		}
	}
}

func TestForgedLeaves(t *testing.T) {
	t.Parallel()
	tests := map[string]func(leaf *x509.Certificate, fault error) bool{
		"leaf-expired": func(_ *x509.Certificate, fault error) bool {
			e, ok := errors.AsType[x509.CertificateInvalidError](fault)
			return ok && e.Reason == x509.Expired
		},
		"leaf-foreign-root": func(_ *x509.Certificate, fault error) bool {
			_, ok := errors.AsType[x509.UnknownAuthorityError](fault)
			return ok
		},
		"leaf-wrong-eku": func(_ *x509.Certificate, fault error) bool {
			e, ok := errors.AsType[x509.CertificateInvalidError](fault)
			return ok && e.Reason == x509.IncompatibleUsage
		},
		"leaf-wrong-ku": func(leaf *x509.Certificate, fault error) bool {
			return fault == nil && leaf.KeyUsage == x509.KeyUsageDigitalSignature
		},
	}
	for name, isWrong := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{Misbehave: []string{name}})
			for _, rotated := range []bool{false, true} {
				if rotated {
					e.rotate(t)
				}
				for _, kind := range []string{"", `,"type":"AICCv0.1"`} {
					got := e.post(t, certificatePath, `{"model":"m"`+kind+`}`, "X-Session-Token", "/e2e/get/certificate")
					leaf, fault := verify(t, e.dir, decode[struct{ Certificate string }](t, got.body).Certificate)
					if !isWrong(leaf, fault) {
						t.Errorf("rotated %v: %v", rotated, fault)
					}
					if leaf.Issuer.CommonName != "sealcar enclave sub CA" || leaf.Subject.CommonName != "sealcar enclave endpoint" {
						t.Errorf("%s issued by %s", leaf.Subject, leaf.Issuer)
					}
				}
			}
			if text := readFile(t, e.dir, "endpoint.key"); strings.Count(text, "CERTIFICATE---") != 4 {
				t.Error("the state has no two certificates")
			} else if _, fault := verify(t, e.dir, text[strings.Index(text, "-----BEGIN CERT"):]); fault != nil {
				t.Errorf("what is wrong was kept: %v", fault)
			}
		})
	}
}

// verify gives the first certificate of a PEM text, and what a client has
// against it.
func verify(t *testing.T, dir, text string) (*x509.Certificate, error) {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no PEM in %q", text)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	anchors, others := x509.NewCertPool(), x509.NewCertPool()
	roots := certificates(t, dir, "roots.pem")
	anchors.AddCert(roots[0])
	others.AddCert(roots[1])
	_, err = leaf.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: others, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return leaf, err
}

func TestMisbehavingCertificateEndpoints(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status      int
		contentType string
		begins      string
		least       int64
		endless     bool // the client has to give up
	}{
		"certificate-500":         {500, "application/json; charset=utf-8", `{"error":`, 0, false},
		"certificate-html":        {200, "text/html; charset=utf-8", "<!doctype html>", 0, false},
		"certificate-huge":        {200, "application/json", `{"Certificate":"`, 100_000_000, false},
		"certificate-drip":        {200, "application/json", `{"Certificate":"`, 0, true},
		"certificate-hang":        {0, "", "", 0, true},
		"certificate-wrong-model": {404, "application/json; charset=utf-8", `{"error":`, 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{Misbehave: []string{name}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.status == 0 {
				defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
			}
			resp, err := e.client.Do(e.request(t, http.MethodPost, certificatePath, `{"model":"m"}`, "X-Session-Token", "/e2e/get/certificate").WithContext(ctx))
			if test.status == 0 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want no answer at all", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			begin := make([]byte, len(test.begins))
			if _, err := io.ReadFull(resp.Body, begin); err != nil || string(begin) != test.begins || resp.StatusCode != test.status || resp.Header.Get("Content-Type") != test.contentType {
				t.Errorf("got %d %s %q, %v", resp.StatusCode, resp.Header.Get("Content-Type"), begin, err)
			}
			if test.endless {
				cancel()
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if test.endless != (err != nil) || n < test.least {
				t.Errorf("%d more bytes, %v", n, err)
			}
		})
	}
}

func TestOneModelHasNoCertificate(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{Misbehave: []string{"certificate-500-for=ep-1"}})
	for model, want := range map[string]int{"ep-1": http.StatusInternalServerError, "ep-2": http.StatusOK} {
		if got := e.post(t, certificatePath, `{"model":"`+model+`"}`, "X-Session-Token", "/e2e/get/certificate"); got.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", model, got.StatusCode, got.body, want)
		}
	}
}

func TestTheControlPlaneMisbehavesForCertificatesAlone(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{Misbehave: []string{"certificate-500"}})
	signer := e.signer(t, nil)
	if got, _ := e.act(t, signer, getCertificate, `{"Id":"ep-1"}`, nil); got.StatusCode != 500 {
		t.Errorf("GetEndpointCertificate: %d", got.StatusCode)
	}
	if got, answer := e.act(t, signer, getAPIKey, `{"DurationSeconds":60,"ResourceType":"endpoint","ResourceIds":["ep-1"]}`, nil); got.StatusCode != 200 || answer.Result.APIKey == "" {
		t.Errorf("GetApiKey: %d %s", got.StatusCode, got.body)
	}
}

func TestMisbehavingReplies(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		members := map[bool]string{false: "", true: `"stream":true,`}[stream]
		content := func(t *testing.T, r reply) string {
			t.Helper()
			doc := r.body
			if stream {
				doc = []byte(events(t, r)[0])
			}
			var c struct {
				Choices []struct{ Message, Delta struct{ Content string } }
			}
			if err := json.Unmarshal(doc, &c); err != nil || len(c.Choices) != 1 {
				t.Fatalf("%v: %s", err, doc)
			}
			return c.Choices[0].Message.Content + c.Choices[0].Delta.Content
		}
		t.Run("reply-plaintext"+members, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{Misbehave: []string{"reply-plaintext"}})
			if got := content(t, e.send(t, chatPath, e.seal(t, members, canary))); got != "This was never sealed." {
				t.Errorf("got %q", got)
			}
		})
		t.Run("reply-bad-tag"+members, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{Misbehave: []string{"reply-bad-tag"}})
			chat := e.seal(t, members, canary)
			got := content(t, e.send(t, chatPath, chat))
			if raw, err := base64.StdEncoding.DecodeString(got); err != nil || len(raw) != 40 {
				t.Errorf("%q has not the form of a ciphertext", got)
			}
			if _, err := chat.session.Open(nil, []byte(got)); err == nil {
				t.Error("it opens")
			}
		})
		t.Run("reply-truncated"+members, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{Misbehave: []string{"reply-truncated"}})
			got := e.send(t, chatPath, e.seal(t, members, canary))
			if got.err == nil || len(got.body) == 0 || bytes.Contains(got.body, []byte("[DONE]")) {
				t.Errorf("got %q, %v; want a part and an error", got.body, got.err)
			}
		})
	}
}

func TestTheKeyIsRotatedEveryNthChat(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{Misbehave: []string{"rotate=2"}})
	for i, want := range []int{200, 400, 200, 400} { // sealed for the key of the moment before
		if got := e.send(t, chatPath, e.seal(t, "", canary)); got.StatusCode != want {
			t.Errorf("chat %d: status %d, want %d", i+1, got.StatusCode, want)
		}
	}
}

// lineWriter hands on each line of a log.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// leaving is the connection of a client that goes as soon as its request was read.
type leaving struct {
	net.Conn

	leave func()
}

func (c leaving) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bytes.Contains(p[:n], []byte(`{"model":"m"}`)) {
		c.leave()
	}
	return n, err
}

// An endless answer ends with its client, also over HTTP/1.1, where a server sees
// that only after it has read the request.
func TestAnEndlessAnswerEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"certificate-drip", "certificate-hang"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := make(lineWriter, 16)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			e := start(t, enclave.Options{
				Misbehave: []string{name}, Log: zerolog.New(log),
				Tap: func(c net.Conn) net.Conn { return leaving{c, cancel} }, // makes it HTTP/1.1, too
			})
			req := e.request(t, http.MethodPost, certificatePath, `{"model":"m"}`, "X-Session-Token", "/e2e/get/certificate").WithContext(ctx)
			if resp, err := e.client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			patience := time.After(generous)
			for {
				select {
				case line := <-log:
					if strings.Contains(line, `"message":"request"`) {
						return
					}
				case <-patience:
					t.Fatal("the enclave goes on without a client")
				}
			}
		})
	}
}
