package e2e_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"testing"

	"sealcar/test/process"
)

// sealcar is the binary under test, built once.
var sealcar string

// secretWord is in every chat, and may cross no wire in clear.
var secretWord = "Secret" + rand.Text()

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sealcar-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()     // a leftover of a test run harms nobody
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run it as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if sealcar, err = process.Build("../..", dir, "sealcar"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
