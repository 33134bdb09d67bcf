package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sealcar/test/process"
)

// chatsTimeout is for all chats of one program.
const chatsTimeout = 10 * time.Minute

// output runs a program to its end, with the JSON of in as its standard input,
// and reads the JSON it prints into out.
func output(t *testing.T, command []string, env map[string]string, in, out any) {
	t.Helper()
	stdout, stderr, err := execute(t, command, env, in)
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", command, err, stdout, stderr)
	}
	if err := json.Unmarshal(stdout, out); err != nil {
		t.Fatalf("%v printed %q: %v\n%s", command, stdout, err, stderr)
	}
}

// execute is output for a program that may fail.
func execute(t *testing.T, command []string, env map[string]string, in any) (stdout, stderr []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), chatsTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = process.Environment(t, env)
	cmd.Stdin = bytes.NewReader(marshal(t, in))
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	if err = cmd.Run(); ctx.Err() != nil {
		t.Fatalf("%v did not end in %v\n%s", command, chatsTimeout, faults.Bytes())
	}
	return out.Bytes(), faults.Bytes(), err
}

// python and node give the command for a program, or end the test where the SDKs
// are not installed.
func python(t *testing.T, args ...string) []string {
	t.Helper()
	installed(t, "python")
	return append([]string{absolute(t, filepath.Join(install, "python", "bin", "python"))}, args...)
}

func node(t *testing.T, args ...string) []string {
	t.Helper()
	installed(t, "node")
	return append([]string{"node"}, args...)
}

func installed(t *testing.T, language string) {
	t.Helper()
	_, err := os.Stat(filepath.Join(install, language+".ok"))
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("the SDKs for %s are not installed: run `make clients`", language)
	default:
		t.Skipf("the SDKs for %s are not installed: run `make clients`", language)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(content))
}

func write(t *testing.T, path, format string, args ...any) {
	t.Helper()
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
