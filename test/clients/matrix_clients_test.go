package clients_test

import (
	"path/filepath"
	"testing"
)

// client is a row of the matrix.
type client struct {
	name      string
	locked    string // the package whose version the page shows, as its lock file names it
	lock      string // the lock file, below this folder
	command   func(t *testing.T) []string
	env       map[string]string // that the program needs in every cell
	direct    map[string]string // that it needs besides to talk to the backend directly
	ways      []way
	treatment string            // of its chats, as the log has it; "" means sealed
	without   map[string]string // scenarios that the client does not have, with the reason
}

// clients are the rows of the matrix.
func clients() []client {
	var all []client
	for _, some := range [][]client{pythonClients(), nodeClients(), goClients(), javaClients(), curlClients()} {
		all = append(all, some...)
	}
	return all
}

const (
	sdkLock       = "python/requirements.txt"
	frameworkLock = "python/frameworks.txt"
	toolsInClear  = "the SDK leaves tools in clear, and a strict route refuses them; without its encryption, `move_tools` seals them"
	curlCode      = "curl {base}/chat/completions …"
	oneAnswer     = "the client gives one answer alone, whatever it asks for"
)

func pythonClients() []client {
	httpx := family{
		proxy:    []string{"HTTP_PROXY={proxy}"},
		proxyTLS: []string{"HTTPS_PROXY={proxy}", "SSL_CERT_FILE={bundle}"},
		plain:    "absolute",
	}
	requests := httpx
	requests.proxyTLS = []string{"HTTPS_PROXY={proxy}", "REQUESTS_CA_BUNDLE={bundle}"}
	litellm := family{
		proxy:    append([]string{"AIOHTTP_TRUST_ENV=True"}, httpx.proxy...),
		proxyTLS: append([]string{"AIOHTTP_TRUST_ENV=True"}, httpx.proxyTLS...),
		plain:    "absolute",
	}
	ark := httpx
	ark.code, ark.arks = `Ark(base_url="{base}")`, true
	llamaIndex := httpx
	llamaIndex.code = `OpenAILike(api_base="{base}", …)`
	plain := func(f family, code string) family {
		f.code = code
		return f
	}
	noN := map[string]string{"n=2": oneAnswer}
	return []client{
		{name: "openai 3", lock: sdkLock, locked: "openai", command: sdkProgram("openai_sync"), ways: httpx.ways()},
		{name: "openai 3, async", lock: sdkLock, locked: "openai", command: sdkProgram("openai_async"), ways: httpx.ways()},
		{name: "openai 2", lock: frameworkLock, locked: "openai", command: frameworkProgram("openai_sync"), ways: httpx.ways()},
		{name: "openai 2, async", lock: frameworkLock, locked: "openai", command: frameworkProgram("openai_async"), ways: httpx.ways()},
		{name: "volcengine-python-sdk[ark]", lock: sdkLock, locked: "volcengine-python-sdk", command: sdkProgram("ark"), ways: ark.ways()},
		{
			name: "volcengine-python-sdk[ark], sealing itself", lock: sdkLock, locked: "volcengine-python-sdk", command: sdkProgram("ark"), ways: ark.ways(),
			env: map[string]string{"VENDOR_ENCRYPTION": "on"}, direct: map[string]string{"VENDOR_ENCRYPTION": "off"}, treatment: "app_sealed",
			without: map[string]string{
				"tools": toolsInClear, "tools, stream": toolsInClear,
				"cancel":  "the SDK cannot close a stream that it opens itself",
				"refusal": "what the application has sealed passes untouched, whatever the model's name is",
			},
		},
		{name: "langchain-openai", lock: frameworkLock, locked: "langchain-openai", command: frameworkProgram("langchain_chat"), ways: httpx.ways()},
		{name: "litellm", lock: frameworkLock, locked: "litellm", command: frameworkProgram("litellm_sync"), ways: httpx.ways()},
		{name: "litellm, async", lock: frameworkLock, locked: "litellm", command: frameworkProgram("litellm_async"), ways: litellm.ways()},
		{name: "llama-index (openai-like)", lock: frameworkLock, locked: "llama-index-llms-openai-like", command: frameworkProgram("llamaindex_chat"), ways: llamaIndex.ways(), without: noN},
		{
			name: "openai-agents, Responses API", lock: frameworkLock, locked: "openai-agents", command: frameworkProgram("agents_chat"), ways: httpx.ways(),
			direct: map[string]string{"AGENTS_API": "chat_completions"}, without: noN,
		},
		{
			name: "openai-agents, chat completions", lock: frameworkLock, locked: "openai-agents", command: frameworkProgram("agents_chat"), ways: httpx.ways(),
			env: map[string]string{"AGENTS_API": "chat_completions"}, without: noN,
		},
		{name: "requests", lock: frameworkLock, locked: "requests", command: frameworkProgram("requests_chat"), ways: plain(requests, `requests.post("{base}/chat/completions", …)`).ways()},
		{name: "httpx", lock: frameworkLock, locked: "httpx", command: frameworkProgram("httpx_chat"), ways: plain(httpx, `httpx.post("{base}/chat/completions", …)`).ways()},
		{name: "aiohttp, trust_env=True", lock: frameworkLock, locked: "aiohttp", command: frameworkProgram("aiohttp_chat"), ways: plain(httpx, `ClientSession(trust_env=True).post("{base}/chat/completions", …)`).ways()},
	}
}

// curlClients are curl as the machine has it.
func curlClients() []client {
	variables := family{
		proxy:    []string{"http_proxy={proxy}"},
		proxyTLS: []string{"https_proxy={proxy}", "CURL_CA_BUNDLE={bundle}"},
		plain:    "absolute",
		code:     curlCode,
	}
	flags := family{
		proxy:    []string{"CURL_OPTIONS=-x {proxy}"},
		proxyTLS: []string{"CURL_OPTIONS=-x {proxy} --cacert {ca}"},
		plain:    "absolute",
		code:     curlCode,
	}
	return []client{
		{name: "curl, variables", command: frameworkProgram("curl_chat"), ways: variables.ways()},
		{name: "curl, flags", command: frameworkProgram("curl_chat"), ways: flags.ways()[:2]},
	}
}

// sdkProgram and frameworkProgram give the command of a program for Python, with
// the one set of packages or the other.
func sdkProgram(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		return python(t, filepath.Join("python", "matrix", name+".py"))
	}
}

func frameworkProgram(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		installed(t, "frameworks")
		return []string{absolute(t, filepath.Join(install, "frameworks", "bin", "python")), filepath.Join("python", "matrix", name+".py")}
	}
}
