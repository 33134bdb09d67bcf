package clients_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clientToken is what clients of a sidecar with client_auth have to present.
const clientToken = "token-of-the-application-3QK81"

const (
	tokenTitle   = "With a token"
	gatewayTitle = "Through a gateway"
)

// guardedFamily is a family whose clients present a token.
type guardedFamily struct {
	family

	table   string // its title
	roots   string // the line that has the gateway's authority trusted
	noToken string // why there is no way by a proxy, and what to do
}

// guarded are the clients whose users set most, by what they look at.
func guarded(title string, ways func(guardedFamily) []way) []client {
	httpx, fetches, viaGo, java := httpxFamily(), fetchFamily(), goFamily(), javaFamily()
	fetches.plain = "connect-plain"
	pem, node, p12 := "SSL_CERT_FILE={roots.pem}", "NODE_EXTRA_CA_CERTS={roots.pem}",
		"JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore={roots.p12} -Djavax.net.ssl.trustStorePassword=changeit"
	return []client{
		{name: "openai 3", lock: sdkLock, locked: "openai", command: sdkProgram("openai_sync"), ways: ways(guardedFamily{table: title, family: httpx, roots: pem})},
		{name: "openai, Node 24", lock: nodeLock, locked: "openai", command: nodeProgram("node24", "openai"), ways: ways(guardedFamily{table: title, family: fetches, roots: node})},
		{name: "openai-go", lock: goLock, locked: "github.com/openai/openai-go/v3", command: goProgram("openai"), ways: ways(guardedFamily{table: title, family: viaGo, roots: pem})},
		{
			name: "openai-java (OkHttp)", lock: javaLock, locked: "openai-java", command: javaProgram("OpenAIChat"),
			ways: ways(guardedFamily{table: title, family: java, roots: p12, noToken: "the JVM's properties hold no credential for a proxy, and OkHttp speaks no TLS to one: set the base URL"}),
		},
	}
}

// tokenTable has clients of a data port that wants a token.
func tokenTable() table {
	return table{
		title: tokenTitle, ways: []string{byHTTP, byHTTPS, byBase}, shown: true,
		intro: `The data port can want a token of each application, on loopback too:
`,
		setup: setup{top: []string{"client_auth: {token_file: \"{tokens}\"}"}, route: []string{"strict: true", "move_tools: true"}},
		clients: guarded(tokenTitle, func(f guardedFamily) []way {
			ways := f.ways()[:3]
			ways[2].lines = append(ways[2].lines, "OPENAI_CUSTOM_HEADERS=X-Sealcar-Token: {token}")
			for i := range ways[:2] {
				ways[i].lines = replaced(ways[i].lines, "={proxy}", "=http://app:{token}@{address}")
			}
			return f.without(ways)
		}),
	}
}

// gatewayTable has clients of a sidecar elsewhere, which they reach by TLS.
func gatewayTable() table {
	return table{
		title: gatewayTitle, ways: []string{byHTTPS, byBase}, shown: true, address: "gateway.example:8443",
		intro: "A sidecar that others reach by TLS ([gateway.md](gateway.md)). `roots.pem` is `cat gateway-ca.crt ca.crt`: the authorities\n" +
			"of the gateway's certificate and of its interception. For Java, `keytool -importcert -noprompt -alias gateway -file gateway-ca.crt\n" +
			"-keystore roots.p12 -storepass changeit` makes `roots.p12`.\n",
		setup: setup{
			listen: "0.0.0.0:8443",
			top:    []string{"listen_tls: {cert_file: \"{cert}\", key_file: \"{cert}\"}", "client_auth: {token_file: \"{tokens}\"}"},
			route:  []string{"strict: true", "move_tools: true"},
		},
		clients: guarded(gatewayTitle, func(f guardedFamily) []way {
			ways := f.ways()[1:3]
			ways[0].lines = replaced(ways[0].lines, "={proxy}", "=https://app:{token}@{address}")
			ways[0].lines = replaced(replaced(ways[0].lines, "{bundle}", "{roots.pem}"), "{ca}", "{roots.pem}")
			ways[1].lines = append(replaced(ways[1].lines, "={proxy}", "=https://{address}"), "OPENAI_CUSTOM_HEADERS=X-Sealcar-Token: {token}", f.roots)
			return f.without(ways)
		}),
	}
}

// without takes the ways by a proxy away from those that cannot present a token
// there.
func (f guardedFamily) without(ways []way) []way {
	if f.noToken == "" {
		return ways
	}
	for i, w := range ways {
		if w.name != byBase {
			ways[i] = way{name: w.name, instead: f.noToken, tried: []trial{{table: f.table, way: byBase}}}
		}
	}
	return ways
}

func replaced(lines []string, old, by string) (all []string) {
	for _, line := range lines {
		all = append(all, strings.ReplaceAll(line, old, by))
	}
	return all
}

// roots makes roots.pem and, if a way needs it, roots.p12, as the page tells, and
// gives their name without its end.
func (s *sidecar) roots(t *testing.T, e *endpoint, w way) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "roots")
	authority := filepath.Join(e.state, "tls-ca.pem") // of the certificate that the gateway has
	write(t, name+".pem", "%s\n%s\n", read(t, authority), read(t, s.ca, "ca.crt"))
	if !strings.Contains(strings.Join(w.lines, ""), "{roots.p12}") {
		return name
	}
	if out, err := exec.CommandContext(t.Context(), "keytool", "-importcert", "-noprompt", "-alias", "gateway", "-file", authority,
		"-keystore", name+".p12", "-storepass", "changeit").CombinedOutput(); err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	return name
}
