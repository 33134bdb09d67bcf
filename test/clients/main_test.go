package clients_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	root    = "../.."                  // the top of the source tree, seen from this package
	install = root + "/.cache/clients" // where `make clients` puts the SDKs
	vectors = root + "/test/vectors/ark.json"
	arkHost = "ark.cn-beijing.volces.com"
)

// built are the Go programs under test, made once.
var built struct{ sealcar, openaiGo string }

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
	built.sealcar = filepath.Join(dir, "sealcar")
	built.openaiGo = filepath.Join(dir, "openai-go")
	for source, binary := range map[string]string{root: built.sealcar, "go": built.openaiGo} {
		build := exec.CommandContext(context.Background(), "go", "-C", source, "build", "-buildvcs=false", "-o", binary, ".")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %q: %v\n%s", source, err, out)
			return 1
		}
	}
	return m.Run()
}
