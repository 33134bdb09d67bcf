package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestT63_NothingSecretIsSaidAnywhere(t *testing.T) {
	t.Parallel()
	l := startLeaky(t)
	prompt := l.marks.word("prompt")
	own := http.Header{"Authorization": {"Bearer " + l.key}}
	message := func(members string) string {
		return `{"model":"ep-1",` + members + `"messages":[{"role":"user","content":"` + prompt + `"}]}`
	}

	for name, body := range map[string]string{
		"no JSON":             prompt,
		"cut short":           `{"model":"ep-1","messages":[{"role":"user","content":"` + prompt,
		"a second document":   message("") + `"` + prompt + `"`,
		"duplicate names":     message(`"user":"` + prompt + `","user":"` + prompt + `",`),
		"broken UTF-8":        message(`"user":"` + prompt + "\xff" + `",`),
		"a bad escape":        message(`"user":"` + prompt + `\x",`),
		"a wrong type":        `{"model":"ep-1","messages":"` + prompt + `"}`,
		"content of no type":  `{"model":"ep-1","messages":[{"role":"user","content":["` + prompt + `"]}]}`,
		"an unknown field":    message(`"notes":{"a":["` + prompt + `"]},`),
		"an image by address": `{"model":"ep-1","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://` + prompt + `.example/` + prompt + `"}}]}]}`,
		"a model of no name":  `{"model":{"a":"` + prompt + `"},"messages":[]}`,
	} {
		l.send(t, name, arkHost, body, own)
	}
	l.send(t, "good", arkHost, message(""), own)
	l.send(t, "good, streamed", arkHost, message(`"stream":true,`), own)
	l.send(t, "residue", arkHost, message(`"user":"`+prompt+`","stop":["`+prompt+`"],"tools":[{"type":"function","function":{"name":"f","description":"`+prompt+`"}}],`), own)
	l.send(t, "a wrong key", arkHost, message(""), nil)
	l.send(t, "no key", arkHost, message(""), http.Header{"Authorization": {"Basic " + l.marks.word("app key")}})
	l.send(t, "a session token", arkHost, message(""), http.Header{"X-Session-Token": {l.marks.word("app key")}})
	l.send(t, "a type", arkHost, message(""), http.Header{"Content-Type": {"text/" + prompt}})
	l.send(t, "an encoding", arkHost, message(""), http.Header{"Content-Encoding": {prompt}})
	l.send(t, "an origin", arkHost, message(""), http.Header{"Origin": {"https://" + prompt + ".example"}})
	for _, host := range []string{"echoing.example", "asking.example", "untrusted.example", "proxied.example"} {
		l.send(t, host, host, message(""), nil)
		l.send(t, host+", HTML", host, message(""), http.Header{"X-Html": {"1"}})
	}
	l.send(t, "keyed.example", "keyed.example", message(""), http.Header{"Authorization": nil})

	key := "Authorization: Bearer " + l.marks.word("app key") + "\r\nProxy-Authorization: Basic " + l.marks.word("proxy password") + "\r\n"
	for name, text := range map[string]string{
		"a bad version":      "POST http://" + arkHost + "/" + l.marks.word("path") + " HTTP/9.9\r\n" + key + "\r\n" + prompt,
		"a bad header":       "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + prompt + "\r\n\r\n",
		"a bad length":       "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Content-Length: " + prompt + "\r\n\r\n",
		"a bad encoding":     "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Transfer-Encoding: " + prompt + "\r\n\r\n",
		"a bad chunk":        "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + prompt + "\r\n",
		"a bad target":       "GET http://[" + prompt + "/ HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "\r\n",
		"no HTTP":            prompt + "\r\n\r\n",
		"a query":            "GET http://" + arkHost + "/api/v3/models?api_key=" + l.marks.word("query") + " HTTP/1.1\r\nHost: " + arkHost + "\r\nConnection: close\r\n" + key + "\r\n",
		"a path of others":   "GET http://127.0.0.1:1/" + l.marks.word("path") + "?k=" + l.marks.word("query") + " HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n" + key + "\r\n",
		"a password":         "GET http://user:" + l.marks.word("query") + "@" + arkHost + "/api/v3/models HTTP/1.1\r\nHost: " + arkHost + "\r\nConnection: close\r\n" + key + "\r\n",
		"a tunnel, no TLS":   "CONNECT " + arkHost + ":443 HTTP/1.1\r\nHost: " + arkHost + ":443\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel") + "\r\n\r\n",
		"a tunnel elsewhere": "CONNECT " + l.upstream + " HTTP/1.1\r\nHost: " + l.upstream + "\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel") + "\r\n\r\n",
		"a tunnel to nobody": "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel"),
	} {
		l.raw(t, name, text)
	}
	l.reloadBadly(t)

	for name, text := range l.bodies {
		l.marks.mustMiss(t, "the answer to "+name, text)
	}
	for _, path := range []string{"/metrics", "/readyz?verbose", "/readyz", "/healthz", "/debug/pprof/", "/debug/vars", "/"} {
		_, text := l.ask(t, path)
		l.marks.mustMiss(t, path, text)
	}
	l.marks.mustMiss(t, "the sidecar's log", l.sidecar.Log())
	l.marks.mustMiss(t, "the enclave's log", l.enclave.Log())
	for _, name := range []string{"cmdline", "environ"} { // environ is for the privileged alone
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.sidecar.PID(), name)); err == nil {
			l.marks.mustMiss(t, name, string(text))
		}
	}
	for path, text := range files(t, filepath.Join(l.dir, "state")) {
		l.marks.mustMiss(t, path, text)
	}
	if n := strings.Count(l.sidecar.Log(), `"message":"request"`); n < 30 || len(l.bodies) < 30 {
		t.Errorf("%d requests are in the log and %d were refused: too few for this test to mean anything", n, len(l.bodies))
	}
}

// reloadBadly has the running sidecar read configurations with secrets in them.
func (l *leaky) reloadBadly(t *testing.T) {
	t.Helper()
	good := read(t, l.config)
	for i, text := range []string{
		good + "\napi_key: " + l.marks.word("app key"),
		good + "\nlisten: {password: " + l.marks.word("app key") + "}",
		strings.ReplaceAll(good, l.dir+"/sk", "AKLT"+l.marks.word("secret key")),
		strings.ReplaceAll(good, "upstream_proxy: http://", "upstream_proxy: http://user:"+l.marks.word("proxy password")+"@"),
		good + "\n\t: \"" + l.marks.word("app key"),
		good + "\nx: *" + l.marks.word("app key"),
	} {
		l.write(t, "sealcar.yaml", text)
		l.sidecar.Signal(t, syscall.SIGHUP)
		l.sidecar.Await(t, i+1, "a failed reload", func(entry map[string]any) bool {
			message, _ := entry["message"].(string)
			return strings.Contains(message, "the old one stays in force")
		})
	}
	l.write(t, "sealcar.yaml", good)
}

func TestT63_NoCommandPrintsASecret(t *testing.T) {
	t.Parallel()
	l := startLeaky(t)
	bad := l.write(t, "bad.yaml", strings.ReplaceAll(read(t, l.config), l.dir+"/sk", "AKLT"+l.marks.word("secret key"))+"\npassword: "+l.marks.word("app key"))
	for _, args := range [][]string{
		{"check", "--config", l.config},
		{"check", "--config", bad},
		{"run", "--config", bad},
		{"exec", "--config", bad, "--", "true"},
		{"health", "--config", l.config},
		{"doctor", "--config", l.config},
		{"doctor", "--config", l.config, "--json"},
		{"doctor", "--config", l.config, "--probe", "--model", "ep-1", "--api-key-file", l.dir + "/right"},
		{"doctor", "--config", l.config, "--probe", "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "show", "--config", l.config, "--model", "ep-1", "--api-key-file", l.dir + "/right"},
		{"cert", "fetch", "--config", l.config, "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "verify", "--config", l.config, "--route", "asking", "--model", "ep-1", "--api-key-file", l.dir + "/wrong"},
		{"cert", "fetch", "--config", l.config, "--route", "proxied", "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "fetch", "--config", l.config, "--route", "keyed", "--model", "ep-1"},
		{"exec", "--config", l.config, "--log-level", "debug", "--", "true"},
		{"version"},
	} {
		_, stdout, stderr := command(t, nil, args...)
		l.marks.mustMiss(t, fmt.Sprint(args, " on standard output"), stdout)
		l.marks.mustMiss(t, fmt.Sprint(args, " on standard error"), stderr)
		if stdout+stderr == "" && args[0] != "exec" && args[0] != "health" {
			t.Errorf("%v printed nothing", args)
		}
	}
}
