package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sealcar/enclave"
)

const byOpenAPI = `    certificate:
      source: openapi
      roots: '%STATE%/roots.pem'
      host: %ENCLAVE%
      access_key_file: '%STATE%/ak'
      secret_key_file: '%STATE%/sk'
`

// Whatever is wrong with the certificate endpoint, the application is told so
// and nothing of its request leaves.
func TestT21_WithoutACertificateNothingLeaves(t *testing.T) {
	t.Parallel()
	const impatient = "timeouts: {certificate: 300ms}\n"
	tests := map[string]struct {
		status    int
		code, top string
	}{
		"certificate-500":         {503, "certificate_unavailable", ""},
		"certificate-html":        {503, "certificate_unavailable", ""},
		"certificate-huge":        {503, "certificate_unavailable", ""},
		"certificate-drip":        {503, "certificate_unavailable", impatient},
		"certificate-hang":        {503, "certificate_unavailable", impatient},
		"certificate-wrong-model": {404, "certificate_not_found", ""}, // the application's own mistake
		"leaf-expired":            {503, "certificate_untrusted", ""}, // T11
		"leaf-foreign-root":       {503, "certificate_untrusted", ""}, // T12
		"leaf-wrong-eku":          {503, "certificate_untrusted", ""}, // T14
		"leaf-wrong-ku":           {503, "certificate_untrusted", ""}, // T14
	}
	for name, test := range tests {
		for source, route := range map[string]string{"api-key": byAPIKey, "openapi": byOpenAPI} {
			t.Run(name+", "+source, func(t *testing.T) {
				t.Parallel()
				p := startPair(t, enclave.Options{Misbehave: []string{name}}, route, test.top)
				for _, members := range []string{"", `"stream":true,`} {
					got := p.chat(t, p.key, members, "canary-21")
					if got.status != test.status || got.code() != test.code {
						t.Errorf("got %d %s, want %d %s", got.status, got.body, test.status, test.code)
					}
				}
				if p.received("canary-21") || p.received("messages") || p.calls.count(chats) > 0 {
					t.Error("something of the request reached the upstream")
				}
				if !p.received("HTTP/1.1") {
					t.Error("the recorder saw nothing at all")
				}
			})
		}
	}
}

func TestRepliesThatDoNotOpenAreNotBelieved(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, members string
		status        int
		code, part    string // part of the reply that is good
	}{
		{"reply-plaintext", "", 502, "reply_in_clear", ""},
		{"reply-plaintext", `"stream":true,`, 502, "reply_in_clear", ""},
		{"reply-bad-tag", "", 502, "reply_not_authentic", ""},
		{"reply-bad-tag", `"stream":true,`, 502, "reply_not_authentic", ""},
		{"reply-truncated", "", 502, "reply_truncated", ""},
		{"reply-truncated", `"stream":true,`, 200, "reply_truncated", `"choices"`},
	}
	for _, test := range tests {
		t.Run(test.name+test.members, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{Misbehave: []string{test.name}}, byAPIKey, "")
			got := p.chat(t, p.key, test.members, "hello")
			if got.status != test.status || got.code() != test.code || !strings.Contains(got.body, test.part) {
				t.Errorf("got %d %q, want %d %s", got.status, got.body, test.status, test.code)
			}
			if begun := test.status == 200; begun != (got.err != nil) {
				t.Errorf("the reply ended with %v", got.err)
			}
			if strings.Contains(got.body, "never sealed") || got.text() != "" {
				t.Errorf("the application got %q", got.body)
			}
			if n := p.calls.count(chats); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestAnEnclaveThatRotatesAllTheTimeIsTriedOnceMoreOnly(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{Misbehave: []string{"rotate=1"}}, byAPIKey, "")
	got := p.chat(t, p.key, "", "hello")
	if got.status != 400 || !strings.Contains(got.body, "cannot_open") {
		t.Errorf("got %d %s, want the second refusal", got.status, got.body)
	}
	if n := p.calls.count(chats); n != 2 {
		t.Errorf("sent %d times, want 2", n)
	}
}

func TestApplicationsNeedNoKey(t *testing.T) {
	t.Parallel()
	const temporary = "sk-enclave-tmp-"
	tests := map[string]struct {
		route    string
		issued   int    // calls of GetApiKey
		uses     string // what the keys on the wire begin with
		ownKey   string // of the application
		wantFail bool
	}{
		"AK and SK alone":               {byOpenAPI + "    credentials: {source: openapi}\n", 1, temporary, "", false},
		"AK and SK, certificate by key": {byAPIKey + "    credentials: {source: openapi, host: '%ENCLAVE%', access_key_file: '%STATE%/ak', secret_key_file: '%STATE%/sk'}\n", 1, temporary, "", false},
		"a key file":                    {byAPIKey + "    credentials: {source: file, api_key_file: '%STATE%/api-key'}\n", 0, "sk-enclave-", "", false},
		"an own key that is wrong":      {byAPIKey + "    credentials: {source: file, api_key_file: '%STATE%/api-key'}\n", 0, "sk-own", "sk-own", true},
		"which is replaced":             {byAPIKey + "    credentials: {source: file, replace: true, api_key_file: '%STATE%/api-key'}\n", 0, "sk-enclave-", "sk-own", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{}, test.route, "")
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					got := p.chat(t, test.ownKey, "", "hello")
					if failed := got.text() != "You said: hello"; failed != test.wantFail {
						t.Errorf("got %d %s", got.status, got.body)
					}
				})
			}
			wg.Wait()
			if got := p.call(t, http.MethodGet, "/models", test.ownKey, ""); (got.status != 200) != test.wantFail {
				t.Errorf("models: got %d %s", got.status, got.body)
			}
			if n := strings.Count(string(p.wire.Received()), "Action=GetApiKey"); n != test.issued {
				t.Errorf("%d calls of GetApiKey, want %d", n, test.issued)
			}
			keys := strings.Split(string(p.wire.Received()), "Authorization: Bearer ")[1:]
			if len(keys) == 0 {
				t.Error("no key was seen on the wire")
			}
			for _, key := range keys {
				if !strings.HasPrefix(key, test.uses) {
					t.Errorf("a request went out with %.20q", key)
				}
				key, _, _ = strings.Cut(key, "\r\n")
				if strings.Contains(p.log.String(), key) {
					t.Error("a key is in the log")
				}
			}
		})
	}
}

func TestAKeyThatCannotBeHadIsTheOperatorsMatter(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byOpenAPI+"    credentials: {source: openapi, secret_key_file: '%STATE%/wrong', access_key_file: '%STATE%/ak'}\n", "")
	wrong := filepath.Join(p.enclave.State, "wrong")
	if got := p.chat(t, "", "", "canary"); got.status != 503 || got.code() != "api_key_unavailable" {
		t.Errorf("without the file: got %d %s", got.status, got.body)
	}
	if err := os.WriteFile(wrong, []byte("not-the-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got answered
	eventually(t, func() bool { got = p.chat(t, "", "", "canary"); return got.status == 502 }, func() string { return got.body })
	if got.code() != "api_key_refused" || got.header.Get("X-Should-Retry") != "false" || !strings.Contains(got.body, "SignatureDoesNotMatch") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if p.calls.count(chats) > 0 {
		t.Error("a chat was sent")
	}
}
