package clients_test

import (
	"fmt"
	"os"
	"testing"

	"sealcar/test/process"
)

const (
	root    = "../.."                  // the top of the source tree, seen from this package
	install = root + "/.cache/clients" // where `make clients` puts the SDKs
	vectors = root + "/test/vectors/ark.json"
	arkHost = "ark.cn-beijing.volces.com"
)

// built are the Go programs under test, made once.
var built struct{ dir, sealcar, openaiGo, dialectsGo string }

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sealcar-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover of a test run harms nobody
	if built.sealcar, err = process.Build(root, dir, "sealcar"); err == nil {
		built.openaiGo, err = process.Build("go", dir, "openai-go")
	}
	if err == nil {
		built.dialectsGo, err = process.Build("go/dialects", dir, "dialects-go")
	}
	for _, name := range []string{"openai", "goopenai", "ark", "http"} {
		if err == nil {
			_, err = process.Build("go/"+name, dir, "matrix-"+name)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	built.dir = dir
	return m.Run()
}
