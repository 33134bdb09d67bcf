package proxy_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/exchange"
	"sealcar/proxy"
)

const (
	appToken   = "app-token-0123456789"
	otherToken = "other-token-0123456789"
)

// withTokens lets clients in that have one of the tokens in a file.
func withTokens(path string) func(*config.Config) {
	return func(c *config.Config) { c.ClientAuth.TokenFile = path }
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	put(t, path, text)
	return path
}

// put renames a file into place.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func basic(userinfo string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)) + "\r\n"
}

// throughDoors sends a request with some headers by each door that a client can
// come by, and gives the responses.
func throughDoors(r *rig, headers string) map[string]*http.Response {
	r.t.Helper()
	responses := map[string]*http.Response{}
	for door, text := range map[string]string{
		"CONNECT":  "CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n",
		"absolute": post("http://"+routedHost+"/v1/chat/completions", routedHost, headers),
		"base URL": post("/v1/chat/completions", r.Addr().String(), headers),
		"a tunnel": "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n",
	} {
		c := r.dial(text)
		resp, err := http.ReadResponse(c.r, &http.Request{Method: strings.Fields(text)[0]})
		if err != nil {
			r.t.Fatal(err)
		}
		_ = resp.Body.Close()
		responses[door] = resp
	}
	return responses
}

func TestT42_ClientsWithATokenAreLetIn(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, withTokens(tokenFile(t, "# who\n\n  app:"+appToken+"\r\n"+otherToken+"\n"))))
	for name, headers := range map[string]string{
		"the proxy's URL":           basic("app:" + appToken),
		"another user name":         basic("x:" + appToken),
		"no user name":              basic(":" + appToken),
		"no password":               basic(appToken + ":"),
		"user alone":                basic(appToken),
		"bearer":                    "Proxy-Authorization: bearer " + appToken + "\r\n",
		"a header":                  "X-Sealcar-Token: " + appToken + "\r\n",
		"a token without a name":    "X-Sealcar-Token: " + otherToken + "\r\n",
		"one of two":                "X-Sealcar-Token: wrong\r\n" + basic("app:"+appToken),
		"the other of two":          "X-Sealcar-Token: " + appToken + "\r\n" + basic("app:wrong"),
		"among those of the server": "X-Sealcar-Token: " + appToken + "\r\nX-Api-Key: k\r\n",
	} {
		for door, resp := range throughDoors(r, headers) {
			want := http.StatusOK
			if door == "a tunnel" {
				want = http.StatusBadGateway // nobody listens there
			}
			if resp.StatusCode != want {
				t.Errorf("%s by %s: %s", name, door, resp.Status)
			}
		}
	}
	for _, s := range upstream.all() {
		if s.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("the application's own key is gone: %v", s.Header)
		}
		if text := mustJSON(s.Header); strings.Contains(text, "oken-0123456789") || strings.Contains(text, "Proxy-Authorization") {
			t.Errorf("our credential went on: %s", text)
		}
	}
	r.log.line(t, map[string]any{"client": "app", "door": "base-url"})
	r.log.line(t, map[string]any{"client": "app", "door": "connect", "code": "upstream_unreachable"})
	if text := r.log.String(); strings.Contains(text, "oken-0123456789") || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("app:"+appToken))) {
		t.Errorf("a token is in the log:\n%s", text)
	}
}

// What is kept for a client is kept by its name, so the protocol has to know it.
func TestT42_AProtocolIsToldWhoseRequestItIs(t *testing.T) {
	t.Parallel()
	clients := make(chan string, 1)
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		clients <- exchange.From(r.Context()).Client
		return answer(http.StatusOK, "application/json", strings.NewReader("{}")), nil
	}}
	r := start(t, upstream, testConfig(t, withTokens(tokenFile(t, "app:"+appToken+"\n"))))
	resp, _ := r.dial(post("/v1/chat/completions", r.Addr().String(), "X-Sealcar-Token: "+appToken+"\r\n")).response()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	if got := <-clients; got != "app" {
		t.Errorf("the request is of %q, want app", got)
	}
}

func TestT42_ClientsWithoutATokenAreNot(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, withTokens(tokenFile(t, "app:"+appToken))))
	for name, headers := range map[string]string{
		"nothing":                "",
		"another":                "X-Sealcar-Token: " + otherToken + "\r\n",
		"empty":                  "X-Sealcar-Token:\r\nProxy-Authorization:\r\n",
		"empty Basic":            basic(":"),
		"the name":               basic("app:app"),
		"a beginning":            basic("app:" + appToken[:len(appToken)-1]),
		"and more":               basic("app:" + appToken + "x"),
		"another case":           "X-Sealcar-Token: " + strings.ToUpper(appToken) + "\r\n",
		"not base64":             "Proxy-Authorization: Basic " + appToken + "\r\n",
		"another scheme":         "Proxy-Authorization: Digest " + appToken + "\r\n",
		"no scheme":              "Proxy-Authorization: " + appToken + "\r\n",
		"the line of the file":   "X-Sealcar-Token: app:" + appToken + "\r\n",
		"in the server's header": "Authorization: Bearer " + appToken + "\r\n",
		"an underscore":          "X_Sealcar_Token: " + appToken + "\r\n",
		"claims of where it is":  "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Real-IP: ::1\r\nX-Forwarded-For: ::ffff:127.0.0.1\r\n",
		"claims of who it is":    "X-Forwarded-User: app\r\nX-Forwarded-Client-Cert: Subject=\"CN=app\"\r\n",
		"behind a wrong one":     "X-Sealcar-Token: " + otherToken + "\r\nX-Sealcar-Token: " + appToken + "\r\n",
		"named by Connection":    "Connection: X-Sealcar-Token\r\n",
	} {
		for door, resp := range throughDoors(r, headers) {
			status, challenge := http.StatusProxyAuthRequired, resp.Header.Get("Proxy-Authenticate")
			if door == "base URL" {
				status, challenge = http.StatusUnauthorized, resp.Header.Get("WWW-Authenticate")
			}
			if resp.StatusCode != status || challenge == "" {
				t.Errorf("%s by %s: %s %v", name, door, resp.Status, resp.Header)
			}
		}
	}
	if n := len(upstream.all()); n != 0 {
		t.Errorf("%d requests went on", n)
	}
	line := r.log.line(t, map[string]any{"code": "client_unauthenticated", "door": "base-url"})
	if line["client"] != nil || strings.Contains(r.log.String(), "oken-0123456789") {
		t.Errorf("%v, or a token in the log", line)
	}
	resp, body := r.dial(post("/v1/chat/completions", r.Addr().String(), "")).response()
	refusedWith(t, resp, body, http.StatusUnauthorized, "client_unauthenticated")
}

// What is inside a CONNECT is whose the CONNECT was.
func TestT42_RequestsInsideAConnectInheritItsClient(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, withTokens(tokenFile(t, "app:"+appToken))))
	head := "HTTP/1.1\r\nHost: x\r\n" + basic("app:"+appToken) + "\r\n"
	plain := r.dial("CONNECT " + routedHost + ":80 " + head)
	plain.established()
	plain.send(post("/v1/chat/completions", routedHost, "X-Sealcar-Token: "+otherToken+"\r\n"))
	if resp, body := plain.response(); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	secure := r.dial("CONNECT " + routedHost + ":443 " + head)
	secure.established()
	inner := (&raw{Conn: secure.insideTLS(r, routedHost), t: t}).sent(post("/v1/chat/completions", routedHost, basic("app:"+appToken)))
	if resp, body := inner.response(); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	other := newServer(t, func(_ http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X-Sealcar-Token") != "" || req.Header.Get("Proxy-Authorization") != "" {
			t.Errorf("our credential went on: %v", req.Header)
		}
	})
	tunnelled := r.dial("CONNECT " + other.Listener.Addr().String() + " " + head)
	tunnelled.established()
	tunnelled.send("GET / HTTP/1.1\r\nHost: " + other.Listener.Addr().String() + "\r\nX-Sealcar-Token: " + appToken + "\r\n\r\n")
	if resp, body := tunnelled.response(); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	for _, s := range upstream.all() {
		if text := mustJSON(s.Header); strings.Contains(text, "oken-0123456789") || strings.Contains(text, "Proxy-Authorization") {
			t.Errorf("our credential went on: %s", text)
		}
	}
	for _, door := range []string{"connect-plain", "connect-tls"} {
		r.log.line(t, map[string]any{"client": "app", "door": door, "route": "ark"})
	}
	r.log.line(t, map[string]any{"client": "app", "door": "connect-plain", "host": "127.0.0.1"})
}

func TestT42_TokensAreRotated(t *testing.T) {
	t.Parallel()
	path := tokenFile(t, "app:"+appToken)
	r := start(t, new(recorder), testConfig(t, withTokens(path)))
	expect := func(when string, app, other bool) {
		t.Helper()
		for token, in := range map[string]bool{appToken: app, otherToken: other} {
			for door, resp := range throughDoors(r, "X-Sealcar-Token: "+token+"\r\n") {
				if (resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusProxyAuthRequired) != in {
					t.Errorf("%s, %s by %s: %s", when, token, door, resp.Status)
				}
			}
		}
	}
	expect("at first", true, false)
	put(t, path, "app:"+appToken+"\napp:"+otherToken)
	expect("while both hold", true, true)
	put(t, path, "app:"+otherToken)
	expect("when the first has ended", false, true)
	put(t, path, "")
	expect("when none holds", false, false)
	put(t, path, "app:"+otherToken)
	expect("again", false, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("without the file", false, false)
	r.log.line(t, map[string]any{"level": "error", "message": "no client is let in until the tokens can be read"})
}

func TestT42_TokenFilesThatAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"empty":            {"", "no token"},
		"comments":         {"# " + appToken + "\n\n", "no token"},
		"short":            {"app:canary", "line 1"},
		"a later line":     {appToken + "\n\ncanary with spaces\n", "line 3"},
		"a bad name":       {"a b:" + appToken, "line 1"},
		"an empty name":    {":" + appToken, "line 1"},
		"an empty token":   {"app:", "line 1"},
		"not ASCII":        {"canary-0123456789-é", "line 1"},
		"a colon too many": {"app:canary:0123456789abc", "line 1"},
		"too large":        {strings.Repeat("# canary\n", 1<<17), "is over"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusedAtStart(t, testConfig(t, withTokens(tokenFile(t, tt.text))), "client_auth.token_file", tt.want)
		})
	}
	refusedAtStart(t, testConfig(t, withTokens("/does/not/exist")), "client_auth.token_file", "/does/not/exist")
}

// refusedAtStart expects New to fail with an error that has the words, and not
// the canary.
func refusedAtStart(t *testing.T, c *config.Config, words ...string) {
	t.Helper()
	_, err := proxy.New(proxy.Options{Config: c, Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) { return new(proxy.Protocol), nil }})
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v, want one with %q", err, word)
		}
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("the error tells what is in the file: %v", err)
	}
}

// Addresses in another spelling are nobody else's: neither let in nor shut out
// by it.
func TestT42_SpellingsOfOurOwnAddress(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	for host, status := range map[string]int{
		"127.0.0.1": 200, "[::1]": 200, "[::ffff:127.0.0.1]": 200, "[0:0:0:0:0:ffff:127.0.0.1]": 200,
		"[::1%25lo]": 400, "[::1%lo]": 400, "127.1": 400, "2130706433": 400, "[::ffff:10.0.0.1]": 400, "10.0.0.1": 400,
	} {
		if resp, body := r.dial(post("/v1/chat/completions", host, "")).response(); resp.StatusCode != status {
			t.Errorf("%s: %s %s", host, resp.Status, body)
		}
	}
}
