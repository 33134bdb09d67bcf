package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/enclave"
)

// The enclave's command, as an operator runs it.
func TestHangupRotatesTheEnclavesKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, state := filepath.Join(dir, "sealcar"), filepath.Join(dir, "state")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "sealcar").CombinedOutput(); err != nil {
		t.Fatalf("building sealcar: %v\n%s", err, out)
	}
	log := new(lines)
	cmd := exec.CommandContext(t.Context(), binary, "enclave", "--listen", "127.0.0.1:0", "--state", state, "--key-overlap", "1h", "--misbehave", "rotate=1000")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logged := func(words ...string) {
		t.Helper()
		eventually(t, func() bool { return log.count(words...) > 0 }, func() string { return "no line with " + strings.Join(words, " and ") + " in\n" + log.String() })
	}
	logged("the enclave is up")
	if log.count("wrong on purpose", "rotate=1000") != 1 {
		t.Errorf("no warning of the misbehaviour in\n%s", log)
	}
	before := read(t, state, "endpoint.key")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	logged("the endpoint has a new key", `"overlap_ms":3600000`)
	if read(t, state, "endpoint.key") == before || !strings.Contains(read(t, state, "endpoint-retired.key"), "Until: ") {
		t.Error("the key is the same, or the former one is not kept")
	}
	if err := os.Chmod(state, 0o755); err != nil { // #nosec G302 -- the enclave is to refuse it
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	logged("the old one stays in force")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the enclave ended with %v\n%s", err, log)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every misbehaviour is documented where an operator looks for it.
func TestTheCommandListsEveryMisbehaviour(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "run", "sealcar", "enclave", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range enclave.Misbehaviours() {
		if !strings.Contains(string(out), "  "+m.Name) || !strings.Contains(string(out), m.Meaning) {
			t.Errorf("%s is not in the help", m.Name)
		}
	}
}
