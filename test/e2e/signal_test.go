package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sealcar/enclave"
)

func TestHangupRotatesTheEnclavesKey(t *testing.T) {
	t.Parallel()
	e := start(t, "", "", "--key-overlap", "1h", "--misbehave", "rotate=1000")
	if !strings.Contains(e.enclave.Log(), "wrong on purpose") {
		t.Errorf("no warning of the misbehaviour in\n%s", e.enclave.Log())
	}
	awaits := func(message string) {
		t.Helper()
		e.enclave.Await(t, 1, message, func(entry map[string]any) bool { return entry["message"] == message })
	}
	before := read(t, e.state, "endpoint.key")
	e.enclave.Signal(t, syscall.SIGHUP)
	awaits("the endpoint has a new key")
	if read(t, e.state, "endpoint.key") == before || !strings.Contains(read(t, e.state, "endpoint-retired.key"), "Until: ") {
		t.Error("the key is the same, or the former one is not kept")
	}
	if status, body := e.send(t, chat(false, "hello")); status != 200 {
		t.Errorf("after the rotation: %d %s", status, body)
	}
	if err := os.Chmod(e.state, 0o755); err != nil { // #nosec G302 -- the enclave is to refuse it
		t.Fatal(err)
	}
	e.enclave.Signal(t, syscall.SIGHUP)
	awaits("the endpoint's key is not rotated; the old one stays in force")
	if status, body := e.send(t, chat(false, "hello")); status != 200 {
		t.Errorf("after a rotation that failed: %d %s", status, body)
	}
}

// Every misbehaviour is documented where an operator looks for it.
func TestTheCommandListsEveryMisbehaviour(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), sealcar, "enclave", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range enclave.Misbehaviours() {
		if !strings.Contains(string(out), "  "+m.Name) || !strings.Contains(string(out), m.Meaning) {
			t.Errorf("%s is not in the help", m.Name)
		}
	}
}

// Lines that were waiting to be written together are written before the end.
func TestTheLastLinesOfTheLogAreWritten(t *testing.T) {
	t.Parallel()
	e := startIn(t, map[string]string{"SEALCAR_LOG_DELAY": "1s"}, "", "")
	if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Fatalf("%d: %s", status, body)
	}
	if status := e.sidecar.Stop(t, syscall.SIGTERM); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, message := range []string{"request", "stopped"} {
		if n := strings.Count(e.sidecar.Log(), `"message":"`+message+`"`); n != 1 {
			t.Errorf("%d lines say %q, want one:\n%s", n, message, e.sidecar.Log())
		}
	}
}
