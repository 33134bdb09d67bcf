package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/test/process"
)

// insisting are clients that speak HTTP/2 and nothing else: URL, KEY, BODY, PROXY
// (host:port) and CA say what to send where.
var insisting = map[string]struct {
	program string // looked for in the path, or below the clients of test/clients
	args    []string
}{
	// Offers nothing by ALPN; without --no-alpn, old versions offer both and take 1.1.
	"curl": {"curl", []string{
		"-sS", "--http2-prior-knowledge", "--no-alpn", "-w", "version %{http_version}", "-x", "http://$PROXY", "--cacert", "$CA",
		"-H", "Authorization: Bearer $KEY", "-H", "Content-Type: application/json", "-d", "$BODY", "$URL",
	}},
	// Offers both, and speaks HTTP/2 whatever is agreed on.
	"httpx": {"../../.cache/clients/frameworks/bin/python", []string{"-c", `
import os, httpx, ssl
e = os.environ
with httpx.Client(http1=False, http2=True, proxy="http://" + e["PROXY"], verify=ssl.create_default_context(cafile=e["CA"])) as c:
    headers = {"Authorization": "Bearer " + e["KEY"], "Content-Type": "application/json"}
    with c.stream("POST", e["URL"], content=e["BODY"], headers=headers) as r:
        print(r.read().decode() + "version " + r.http_version.removeprefix("HTTP/"))
`}},
	// Offers h2 alone by ALPN, over a CONNECT of the program's own.
	"Node's http2": {"node", []string{"-e", `
const { PROXY, URL: url, KEY, BODY, CA } = process.env, { host, pathname } = new URL(url), [proxy, port] = PROXY.split(":");
require("http").request({ host: proxy, port, method: "CONNECT", path: host + ":443" }).on("connect", (_, socket) => {
	const tls = require("tls").connect({ socket, servername: host, ALPNProtocols: ["h2"], ca: require("fs").readFileSync(CA) });
	const session = require("http2").connect("https://" + host, { createConnection: () => tls });
	const stream = session.request({ ":method": "POST", ":path": pathname, authorization: "Bearer " + KEY, "content-type": "application/json" });
	stream.on("data", (d) => process.stdout.write(d)).on("error", (e) => { console.error(e); process.exit(1) });
	stream.on("end", () => { console.log("version 2"); session.close() });
	stream.end(BODY);
}).end();
`}},
}

func TestClientsThatInsistOnHTTP2GetTheirStream(t *testing.T) {
	t.Parallel()
	e := start(t, "", "")
	for name, client := range insisting {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(client.program)
			if err != nil {
				t.Skipf("%s is not installed: %v", name, err)
			}
			environment := map[string]string{
				"PROXY": e.addr, "CA": filepath.Join(e.dir, "state", "ca", "ca.crt"), "KEY": e.key,
				"URL": "https://" + arkHost + chatPath, "BODY": chat(true, "hello"),
			}
			var args []string
			for _, arg := range client.args {
				if name == "curl" {
					arg = os.Expand(arg, func(key string) string { return environment[key] })
				}
				args = append(args, arg)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Env = process.Environment(t, environment)
			out, err := cmd.CombinedOutput()
			said := string(out)
			if err != nil || !strings.Contains(said, `"content":" hello"`) || !strings.Contains(said, "data: [DONE]\n") || !strings.HasSuffix(strings.TrimSpace(said), "version 2") {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}
