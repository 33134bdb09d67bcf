package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sealcar/test/process"
)

// nobody is a user without capabilities: root may read every process.
const nobody = 65534

// asNobody makes a command run as nobody, where the test may do that; else it
// runs as the test's own user, which is none of the privileged then.
func asNobody(cmd *exec.Cmd) *exec.Cmd {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// nobodysDir is a folder that belongs to the user of asNobody.
func nobodysDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		return dir
	}
	for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// unlimited runs a command that may leave a core of any size, in dir.
func unlimited(t *testing.T, dir string, env map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "sh", append([]string{"-c", `ulimit -c unlimited && exec "$@"`, "sh"}, args...)...)
	cmd.Dir, cmd.Env = dir, process.Environment(t, env)
	return cmd
}

// canRead tells whether another process of the user of asNobody may look into a
// process's memory: environ is guarded as mem is (ptrace(2), PTRACE_MODE_READ).
func canRead(t *testing.T, pid int) bool {
	t.Helper()
	cmd := asNobody(exec.CommandContext(t.Context(), "cat", fmt.Sprintf("/proc/%d/environ", pid)))
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "ermission denied") {
		t.Fatalf("%v: %s", err, out)
	}
	return err == nil
}

// coreLimit is the soft and the hard one, as the kernel has them.
func coreLimit(t *testing.T, limits string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^Max core file size +(\S+) +(\S+)`).FindStringSubmatch(limits)
	if found == nil {
		t.Fatalf("no limit of cores in\n%s", limits)
	}
	return found[1] + " " + found[2]
}

func TestT68_NobodyCanReadTheProcessesMemoryAndNoCoreIsAllowed(t *testing.T) {
	t.Parallel()
	dir := nobodysDir(t)
	env := map[string]string{
		"SEALCAR_LISTEN": "127.0.0.1:0", "SEALCAR_ADMIN_LISTEN": "127.0.0.1:0", "SEALCAR_LOG_FORMAT": "json", "SEALCAR_STATE_DIR": filepath.Join(dir, "state"),
	}
	for name, args := range map[string][]string{
		"run":     {"run"},
		"enclave": {"enclave", "--listen", "127.0.0.1:0", "--state", filepath.Join(dir, "enclave")},
	} {
		s := process.StartCommand(t, asNobody(unlimited(t, dir, env, append([]string{sealcar}, args...)...)))
		s.AwaitKey(t, "listen")
		if canRead(t, s.PID()) {
			t.Errorf("%s: another process of its user reads its memory", name)
		}
		if got := coreLimit(t, read(t, fmt.Sprintf("/proc/%d/limits", s.PID()))); got != "0 0" {
			t.Errorf("%s: the limit of cores is %s, want 0 0", name, got)
		}
	}
}

func TestT68_AnAppUnderExecKeepsItsOwn(t *testing.T) {
	t.Parallel()
	dir := nobodysDir(t)
	env := map[string]string{"SEALCAR_STATE_DIR": filepath.Join(dir, "state")}
	s := process.StartCommand(t, asNobody(unlimited(t, dir, env, sealcar, "exec", "--",
		"sh", "-c", `trap 'exit 0' TERM; printf '{"app":%s}\n' $$ >&2; while :; do sleep 0.05; done`)))
	pid, _ := s.AwaitKey(t, "app")["app"].(float64)
	app := int(pid)
	if !canRead(t, app) {
		t.Error("the app cannot be debugged any more")
	}
	if got := coreLimit(t, read(t, fmt.Sprintf("/proc/%d/limits", app))); got != "unlimited unlimited" {
		t.Errorf("the app's limit of cores is %s, want unlimited unlimited", got)
	}
	if canRead(t, s.PID()) {
		t.Error("another process of its user reads the sidecar's memory")
	}
	eventually(t, func() bool { // set once the app is started
		return coreLimit(t, read(t, fmt.Sprintf("/proc/%d/limits", s.PID()))) == "0 0"
	}, func() string { return "the sidecar may leave a core" })
}
