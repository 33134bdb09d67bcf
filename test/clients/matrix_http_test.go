package clients_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// plainClient is a client of plain HTTP, for what there is beside a chat.
type plainClient struct {
	name    string
	command func(t *testing.T) []string
	offers  string // what of HTTP/2 and Expect the program asks for
	speaks  string // the version of HTTP that is spoken then
	tls     family // whose proxyTLS it is led by
}

func plainClients() []plainClient {
	with := func(command func(t *testing.T) []string, arg string) func(t *testing.T) []string {
		return func(t *testing.T) []string { t.Helper(); return append(command(t), arg) }
	}
	framework := func(arg string) func(t *testing.T) []string {
		return with(pythonProgram("frameworks", "python/details.py"), arg)
	}
	details := func(bin, arg string) func(t *testing.T) []string { return with(nodeFile(bin, "node/details.cjs"), arg) }
	curl := family{proxyTLS: []string{"https_proxy={proxy}", "CURL_CA_BUNDLE={bundle}"}}
	return []plainClient{
		{"httpx, http2=True", framework("httpx"), "HTTP/2", "1.1", httpxFamily()},
		{"httpx, http2=True, http1=False", framework("httpx-2"), "nothing but HTTP/2", "2", httpxFamily()},
		{"aiohttp, expect100=True", framework("aiohttp"), "Expect", "1.1", httpxFamily()},
		{"undici, allowH2, Node 20", details("", "undici"), "HTTP/2", "1.1", fetchFamily()},
		{"node:https, Node 24", details("node24", "https"), "Expect", "1.1", fetchFamily()},
		{"node:http2, Node 20", details("", "http2"), "nothing but HTTP/2", "2", fetchFamily()},
		{"net/http", goProgram("http"), "HTTP/2, Expect", "1.1", goFamily()},
		{"java.net.http.HttpClient", with(javaProgram("Details"), "JDK"), "HTTP/2, Expect", "1.1", javaFamily()},
		{"OkHttp", with(javaProgram("Details"), "OkHttp"), "HTTP/2, Expect", "1.1", javaFamily()},
		{"curl --http2", framework("curl"), "HTTP/2, Expect", "1.1", curl},
		{"curl --http2-prior-knowledge --no-alpn", framework("curl-2"), "nothing but HTTP/2, Expect", "2", curl},
	}
}

// detail is what such a client saw beside the chat; nil is what it does not show.
type detail struct {
	Version   string   `json:"version"`
	Cookies   []string `json:"cookies"`
	RequestID string   `json:"request_id"`
	Trailer   *string  `json:"trailer"`
	Continued *bool    `json:"continued"`
	Done      bool     `json:"done"`
}

// What the backend has beside each chat.
func cookies() []string { return []string{"session=1; Path=/", "shard=2; Path=/; HttpOnly"} }

const checksum = "sha256:e3b0c442" // in the trailer X-Checksum

// tryDetails has each of them chat through a CONNECT, where sealcar ends TLS.
func tryDetails(t *testing.T, echo *endpoint, found *results) {
	t.Helper()
	b := startBackend(t, echo)
	sealing := startEnclave(t, "--backend", b.url)
	side := startSidecar(t, sealing)
	for _, c := range plainClients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := way{lines: append([]string{ownBase + "=https://{host}/api/v3"}, c.tls.proxyTLS...)}
			env := sealing.application(t, "", w.environment(places{proxy: side.proxy, host: arkHost, ca: side.ca}))
			var got detail
			output(t, c.command(t), env, scenarios()[1].task(goodModel).Request, &got)
			if got.Version != c.speaks || !got.Done || got.RequestID != "request-1" || !slices.Equal(got.Cookies, cookies()) ||
				got.Trailer != nil && *got.Trailer != checksum || got.Continued != nil && !*got.Continued {
				t.Errorf("got %s", marshal(t, got))
			} else {
				found.addDetail(c.name, got)
			}
		})
	}
}

// writeDetails writes what was found.
func (r *results) writeDetails(b *strings.Builder) {
	fmt.Fprintf(b, "\n## "+detailsTitle+"\n\n%s\n| client | asks for | spoken | Set-Cookie | X-Client-Request-Id | trailers | 100 Continue |\n|---|---|---|---|---|---|---|\n", detailsIntro)
	for _, c := range plainClients() {
		d := r.details[c.name]
		trailer, continued := "arrive", "comes"
		if d.Trailer == nil {
			trailer = "the client shows none"
		}
		if d.Continued == nil {
			continued = "not asked for"
		}
		fmt.Fprintf(b, "| %s | %s | HTTP/%s | arrives | arrives | %s | %s |\n", c.name, c.offers, d.Version, trailer, continued)
	}
}

const detailsIntro = `By HTTPS_PROXY with https://, streamed. Applications that can speak HTTP/1.1 beside HTTP/2 are answered
by it; those that speak nothing else have HTTP/2 ([doors.md](doors.md)). Of replies that do not stream,
trailers are left out: their length is known.
`
