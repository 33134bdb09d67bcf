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
	names     map[string]string // what it calls the models, by their names; nil means the same
	treatment string            // of its chats, as the log has it; "" means sealed
	impatient bool              // it tries again without a look at Retry-After
	without   map[string]lack   // scenarios that the client does not have
}

// lack is why something is not possible, and what to do in its place.
type lack struct {
	reason string
	tried  trial // of what to do in its place, which has to go well in the same run
}

// oneAnswer is a client that asks for one answer alone. The package below it asks
// for more.
func oneAnswer(below string) lack {
	return lack{"the client gives one answer alone, whatever it asks for: use " + below, trial{client: below, scenario: "n=2"}}
}

func httpxFamily() family {
	return family{
		proxy:    []string{"HTTP_PROXY={proxy}"},
		proxyTLS: []string{"HTTPS_PROXY={proxy}", "SSL_CERT_FILE={bundle}"},
		plain:    "absolute",
	}
}

const (
	sdkLock       = "python/requirements.txt"
	frameworkLock = "python/frameworks.txt"
	vendor        = "volcengine-python-sdk[ark]"
	curlCode      = "curl {base}/chat/completions …"
)

func pythonClients() []client {
	httpx := httpxFamily()
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
	noN := map[string]lack{"n=2": oneAnswer("openai 2")}
	chatAPI := map[string]string{"OPENAI_API": "chat_completions"}
	return []client{
		{name: "openai 3", lock: sdkLock, locked: "openai", command: sdkProgram("openai_sync"), ways: httpx.ways()},
		{name: "openai 3, async", lock: sdkLock, locked: "openai", command: sdkProgram("openai_async"), ways: httpx.ways()},
		{name: "openai 2", lock: frameworkLock, locked: "openai", command: frameworkProgram("openai_sync"), ways: httpx.ways()},
		{name: "openai 2, async", lock: frameworkLock, locked: "openai", command: frameworkProgram("openai_async"), ways: httpx.ways()},
		{name: vendor, lock: sdkLock, locked: "volcengine-python-sdk", command: sdkProgram("ark"), ways: ark.ways(), impatient: true},
		{
			name: vendor + ", sealing itself", lock: sdkLock, locked: "volcengine-python-sdk", command: sdkProgram("ark"), ways: ark.ways(), impatient: true,
			env: map[string]string{"VENDOR_ENCRYPTION": "on"}, direct: map[string]string{"VENDOR_ENCRYPTION": "off"}, treatment: "app_sealed",
			without: sealingItself(),
		},
		{name: "langchain-openai", lock: sdkLock, locked: "langchain-openai", command: sdkProgram("langchain_chat"), ways: httpx.ways()},
		{name: "litellm", lock: frameworkLock, locked: "litellm", command: frameworkProgram("litellm_sync"), ways: httpx.ways()},
		{name: "litellm, async", lock: frameworkLock, locked: "litellm", command: frameworkProgram("litellm_async"), ways: litellm.ways()},
		{name: "llama-index (openai-like)", lock: frameworkLock, locked: "llama-index-llms-openai-like", command: frameworkProgram("llamaindex_chat"), ways: llamaIndex.ways(), without: noN},
		{
			name: "openai-agents, Responses API", lock: sdkLock, locked: "openai-agents", command: sdkProgram("agents_chat"), ways: httpx.ways(),
			direct: chatAPI, without: noN,
		},
		{
			name: "openai-agents, chat completions", lock: sdkLock, locked: "openai-agents", command: sdkProgram("agents_chat"), ways: httpx.ways(),
			env: chatAPI, without: noN,
		},
		{name: "requests", lock: frameworkLock, locked: "requests", command: frameworkProgram("requests_chat"), ways: plain(requests, `requests.post("{base}/chat/completions", …)`).ways()},
		{name: "httpx", lock: frameworkLock, locked: "httpx", command: frameworkProgram("httpx_chat"), ways: plain(httpx, `httpx.post("{base}/chat/completions", …)`).ways()},
		{name: "aiohttp, trust_env=True", lock: frameworkLock, locked: "aiohttp", command: frameworkProgram("aiohttp_chat"), ways: plain(httpx, `ClientSession(trust_env=True).post("{base}/chat/completions", …)`).ways()},
	}
}

// sealingItself is what the vendor's SDK does not have with its own encryption.
// Without that, sealcar seals for it.
func sealingItself() map[string]lack {
	lacks := map[string]lack{}
	for name, reason := range map[string]string{
		"tools":         "the SDK leaves tools in clear, and a strict route refuses them; without its encryption, `move_tools` seals them",
		"tools, stream": "the SDK leaves tools in clear, and a strict route refuses them; without its encryption, `move_tools` seals them",
		"cancel":        "the SDK cannot close a stream that it opens itself; without its encryption it can",
		"503":           "the SDK asks for the certificate itself, and tells in its own words that there is none; without its encryption the answer is sealcar's 503",
		"refusal":       "what the application has sealed passes untouched, whatever the model's name is; without its encryption it is refused",
	} {
		lacks[name] = lack{reason, trial{client: vendor, scenario: name}}
	}
	return lacks
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
	return pythonProgram("python", filepath.Join("python", "matrix", name+".py"))
}

func frameworkProgram(name string) func(t *testing.T) []string {
	return pythonProgram("frameworks", filepath.Join("python", "matrix", name+".py"))
}

func pythonProgram(packages, file string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		installed(t, packages)
		return []string{absolute(t, filepath.Join(install, packages, "bin", "python")), file}
	}
}
