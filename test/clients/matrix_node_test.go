package clients_test

import (
	"path/filepath"
	"testing"
)

const nodeLock = "node/package-lock.json"

// nodes are the versions of Node: the machine's, and later ones by lock file.
func nodes() []struct{ name, bin, plain string } {
	return []struct{ name, bin, plain string }{
		{"20", "", ""}, // its fetch looks at no proxy variable
		{"22", "node22", "connect-plain"},
		{"24", "node24", "connect-plain"},
		{"26", "node26", "absolute"},
	}
}

func nodeClients() []client {
	const noProxy = "fetch of Node 20 looks at no proxy variable: set the base URL, or use Node 22.21, 24 or later"
	axios := family{
		proxy:    []string{"HTTP_PROXY={proxy}"},
		proxyTLS: []string{"HTTPS_PROXY={proxy}", "NODE_EXTRA_CA_CERTS={ca}"},
		plain:    "absolute",
		code:     `axios.post("{base}/chat/completions", …)`,
	}
	var all []client
	for _, n := range nodes() {
		fetches := fetchFamily()
		fetches.plain = n.plain
		if n.bin == "" {
			fetches.noProxy, fetches.later = noProxy, "fetch, Node 22"
		}
		raw := fetches
		raw.code = `fetch("{base}/chat/completions", …)`
		all = append(all,
			client{name: "openai, Node " + n.name, locked: "openai", command: nodeProgram(n.bin, "openai"), ways: fetches.ways()},
			client{name: "fetch, Node " + n.name, locked: n.bin, command: nodeProgram(n.bin, "fetch"), ways: raw.ways()},
		)
		if n.bin == "node26" { // the others' fetch is Node 24's
			continue
		}
		all = append(all, client{name: "LangChain.js, Node " + n.name, locked: "@langchain/openai", command: nodeProgram(n.bin, "langchain"), ways: fetches.ways()})
		all = append(all, vercelClients(n.name, n.bin, fetches)...)
		all = append(all, client{name: "axios, Node " + n.name, locked: "axios", command: nodeProgram(n.bin, "axios"), ways: axios.ways()})
	}
	for i := range all {
		if all[i].locked != "" {
			all[i].lock = nodeLock
		}
	}
	return all
}

func fetchFamily() family {
	return family{
		proxy:    []string{"NODE_USE_ENV_PROXY=1", "HTTP_PROXY={proxy}"},
		proxyTLS: []string{"NODE_USE_ENV_PROXY=1", "HTTPS_PROXY={proxy}", "NODE_EXTRA_CA_CERTS={ca}"},
	}
}

// vercelClients are the ways through the Vercel AI SDK. Its own choice, the
// Responses API, is tried with one Node.
func vercelClients(node, bin string, f family) []client {
	var all []client
	for _, p := range []struct{ name, locked string }{
		{"compatible", "@ai-sdk/openai-compatible"}, {"chat", "@ai-sdk/openai"}, {"responses", "@ai-sdk/openai"},
	} {
		if p.name == "responses" && bin != "node24" {
			continue
		}
		f := f
		if p.name == "compatible" {
			f.code = `createOpenAICompatible({ baseURL: "{base}", … })`
		}
		all = append(all, client{
			name: "Vercel AI SDK, " + p.name + ", Node " + node, locked: p.locked, command: nodeProgram(bin, "vercel"),
			ways: f.ways(), without: map[string]lack{"n=2": oneAnswer("openai, Node " + node)},
			env: map[string]string{"VERCEL_PROVIDER": p.name}, direct: map[string]string{"VERCEL_PROVIDER": "chat"},
		})
	}
	return all
}

// nodeProgram gives the command of a program for Node, which is in the folder of
// an npm package, or the machine's.
func nodeProgram(bin, name string) func(t *testing.T) []string {
	return nodeFile(bin, filepath.Join("node", "matrix", name+".cjs"))
}

func nodeFile(bin, file string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		command := node(t, file)
		if bin != "" {
			command[0] = absolute(t, filepath.Join(install, "node", "node_modules", bin, "bin", "node"))
		}
		return command
	}
}
