package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sealcar/test/process"
)

// T65: whoever names a model, a path or a header, and whoever answers, writes no
// line of ours and moves no cursor.
func TestT65_NobodyElseWritesOurLines(t *testing.T) {
	t.Parallel()
	const esc, forged = "\x1b[2J\x1b[7m", "forged-40817"
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			e := startEnclave(t)
			e.dir = t.TempDir()
			e.config = filepath.Join(e.dir, "sealcar.yaml")
			addr := freeAddress(t)
			e.writeConfig(t, "log: {level: debug, format: "+format+"}", "{source: api-key, roots: ROOTS}")
			e.sidecar = process.Start(t, sealcar, map[string]string{"SEALCAR_LISTEN": addr}, "run", "--config", e.config)
			e.addr = addr
			eventually(t, func() bool {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					_ = c.Close()
				}
				return err == nil
			}, func() string { return "it does not listen" })

			for _, name := range []string{esc, "m\r\n" + forged, "m\u202e", "m\u0000"} {
				model, err := json.Marshal(name)
				if err != nil {
					t.Fatal(err)
				}
				e.send(t, fmt.Sprintf(`{"model":%s,"messages":[{"role":"user","content":"hi"}]}`, model))
				member := fmt.Sprintf(`{"model":"ep-1","messages":[],%s:["x"]}`, model)
				if status, body := e.send(t, member); status != http.StatusBadRequest || strings.ContainsAny(body, "\x1b\u202e\x00\r") || strings.Contains(body, "\n"+forged) {
					t.Errorf("%q: got %d %q", name, status, body)
				}
			}
			l := &leaky{ends: e, bodies: map[string]string{}}
			for name, text := range map[string]string{
				"path":      "GET http://" + arkHost + "/v1/%1b%5b31m%0d%0a" + forged + " HTTP/1.1\r\nHost: " + arkHost + "\r\nConnection: close\r\n\r\n",
				"elsewhere": "GET http://127.0.0.1:1/%1b%5b31m%0d%0a" + forged + " HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n",
				"raw path":  "GET http://" + arkHost + "/v1/" + esc + " HTTP/1.1\r\nHost: " + arkHost + "\r\n\r\n",
				"header":    "GET http://" + arkHost + "/v1/models HTTP/1.1\r\nHost: " + arkHost + "\r\nX" + esc + ": y\r\n\r\n",
				"value":     "GET http://" + arkHost + "/v1/models HTTP/1.1\r\nHost: " + arkHost + "\r\nX: " + esc + "\r\n\r\n",
				"host":      "CONNECT " + esc + ":443 HTTP/1.1\r\nHost: " + esc + ":443\r\n\r\n",
				"method":    esc + " http://" + arkHost + "/v1/models HTTP/1.1\r\nHost: " + arkHost + "\r\n\r\n",
			} {
				l.raw(t, name, text)
			}
			for name, text := range l.bodies {
				if strings.ContainsAny(text, "\x1b") || strings.Contains(text, "\n"+forged) {
					t.Errorf("%s: the answer is %q", name, text)
				}
			}
			e.sidecar.Stop(t, syscall.SIGTERM) // its last lines come then
			log := e.sidecar.Log()
			for line := range strings.SplitSeq(strings.TrimSpace(log), "\n") {
				if format == "json" {
					if !json.Valid([]byte(line)) || strings.ContainsAny(line, "\x1b\r\x00") {
						t.Errorf("a line of the log is %q", line)
					}
					continue
				}
				if !strings.HasPrefix(line, "\x1b[90m") || strings.ContainsAny(colours.ReplaceAllString(line, ""), "\x1b\r\u202e\x00") {
					t.Errorf("a line of the log is %q", line)
				}
			}
			if n := strings.Count(log, forged); n < 1 {
				t.Errorf("the log names the forgery %d times, so this test means nothing:\n%s", n, log)
			}
		})
	}
}

// colours are those that zerolog sets for lines on a terminal.
var colours = regexp.MustCompile("\x1b\\[(0|1|9[0-9]|3[0-9])m")

// freeAddress is one on which nobody listens just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
