package clients_test

import (
	"path/filepath"
	"testing"
)

const goLock = "go/go.mod"

func goFamily() family {
	return family{
		proxy:    []string{"HTTP_PROXY={proxy}"},
		proxyTLS: []string{"HTTPS_PROXY={proxy}", "SSL_CERT_FILE={bundle}"},
		plain:    "absolute",
	}
}

func goClients() []client {
	f := goFamily()
	ark, goOpenAI := f, f
	ark.code, ark.arks = `arkruntime.NewClientWithApiKey(key, arkruntime.WithBaseUrl("{base}"))`, true
	goOpenAI.code = `config.BaseURL = "{base}"`
	return []client{
		{name: "openai-go", lock: goLock, locked: "github.com/openai/openai-go/v3", command: goProgram("openai"), ways: f.ways()},
		{name: "go-openai", lock: goLock, locked: "github.com/sashabaranov/go-openai", command: goProgram("goopenai"), ways: goOpenAI.ways()},
		{name: "volcengine-go-sdk", lock: goLock, locked: "github.com/volcengine/volcengine-go-sdk", command: goProgram("ark"), ways: ark.ways(), impatient: true},
	}
}

// goProgram gives the command of a program for Go.
func goProgram(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		return []string{filepath.Join(built.dir, "matrix-"+name)}
	}
}
