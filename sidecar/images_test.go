package sidecar_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A linked image is sealed: neither its address nor its bytes reach the upstream.
func TestT26_LinkedImagesAreSealedWhereTheRouteSaysSo(t *testing.T) {
	t.Parallel()
	shot := "\x89PNG\x0D\x0A\x1A\x0A canary"
	var fetched atomic.Int32
	pictures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, shot)
	}))
	t.Cleanup(pictures.Close)
	host := strings.TrimPrefix(pictures.URL, "http://")
	enabled := fmt.Sprintf("enabled: true, addresses: private, allowed_hosts: [%q]", host)
	for _, tt := range []struct {
		name, settings, path, token string
		arrives                     bool
		code                        string
		fetched                     int32
	}{
		{"on", enabled, "/v1/chat/completions", "", true, "", 1},
		{"batch", enabled, "/v1/batch/chat/completions", "", true, "", 1},
		{"off", "enabled: false", "/v1/chat/completions", "", false, "unsealable_content", 0},
		{"private", fmt.Sprintf("enabled: true, allowed_hosts: [%q]", host), "/v1/chat/completions", "", false, "image_refused", 0},
		{"an odd port", "enabled: true, addresses: private", "/v1/chat/completions", "", false, "image_refused", 0},
		{"another host", "enabled: true, addresses: private, allowed_hosts: [example.com]", "/v1/chat/completions", "", false, "image_refused", 0},
		{"sealed by the application", enabled, "/v1/chat/completions", "junk", false, "invalid_session_token", 0},
		{"another endpoint", enabled, "/v1/embeddings", "", false, "endpoint_not_sealable", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.route = "    inline_images: {" + tt.settings + "}\n"
			p := s.run(t, "revocation: {mode: off}")
			before := fetched.Load()
			body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s/x.png"}}]}]}`, pictures.URL)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr().String()+tt.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer key")
			req.Header.Set("Content-Type", "application/json")
			if tt.token != "" {
				req.Header.Set("X-Session-Token", tt.token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			sent := s.last.Load()
			if (sent != nil) != tt.arrives || !strings.Contains(string(answer), tt.code) || fetched.Load()-before != tt.fetched {
				t.Errorf("arrived: %t, fetched %d times, %s", sent != nil, fetched.Load()-before, answer)
			}
			if sent == nil {
				return
			}
			for _, clear := range []string{pictures.URL, "x.png", "data:", base64.StdEncoding.EncodeToString([]byte(shot))} {
				if strings.Contains(*sent, clear) {
					t.Errorf("%q left in clear: %s", clear, *sent)
				}
			}
		})
	}
}

// A fetch tells others of the chat, so a chat that is refused causes none.
func TestT26_ARefusedChatFetchesNoImage(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	pictures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "\x89PNG\x0D\x0A\x1A\x0A")
	}))
	t.Cleanup(pictures.Close)
	for name, tt := range map[string]struct {
		certificate, query, key, mediaType, before, after string
		code                                              string
	}{
		"an unknown field":     {after: `,"tell":"nobody"`, code: "unsealable_field"},
		"a video":              {before: `{"type":"video_url","video_url":{"url":"http://x"}},`, code: "unsealable_content"},
		"a duplicate":          {after: `,"model":"m"`, code: "invalid_json"},
		"text as a model":      {after: `,"n":{}`, code: "unsealable_field"},
		"a query":              {query: "?tell=nobody", code: "unsealable_field"},
		"no key":               {key: "Basic x", code: "missing_api_key"},
		"text":                 {mediaType: "text/plain", code: "unsupported_content_type"},
		"revoked certificate":  {certificate: "revocation: {mode: hard}", code: "certificate_"},
		"nothing that forbids": {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.route = fmt.Sprintf("    inline_images: {enabled: true, addresses: private, allowed_hosts: [%q]}\n", strings.TrimPrefix(pictures.URL, "http://"))
			p := s.run(t, cmp.Or(tt.certificate, "revocation: {mode: off}"))
			before := fetched.Load()
			body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":[%s{"type":"image_url","image_url":{"url":"%s/x.png"}}]}]%s}`, tt.before, pictures.URL, tt.after)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr().String()+"/v1/chat/completions"+tt.query, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", cmp.Or(tt.key, "Bearer key"))
			req.Header.Set("Content-Type", cmp.Or(tt.mediaType, "application/json"))
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			refused := tt.code != ""
			if n := fetched.Load() - before; !strings.Contains(string(answer), tt.code) || refused != (n == 0) || refused != (s.last.Load() == nil) {
				t.Errorf("fetched %d times, %d %s", n, resp.StatusCode, answer)
			}
		})
	}
}
