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

// TestT64_ACrashLeavesNoContents has the Go runtime end a process at work, with
// all that GOTRACEBACK=crash adds: every goroutine on standard error, and then a
// signal that writes cores.
func TestT64_ACrashLeavesNoContents(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"SIGQUIT": syscall.SIGQUIT, "SIGABRT": syscall.SIGABRT, "SIGSEGV": syscall.SIGSEGV} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marks := newCanaries("prompt", "later")
			e := startEnclave(t, "--echo-delay", "50ms")
			marks.add("API key", e.key)
			e.dir = t.TempDir()
			e.config = filepath.Join(e.dir, "sealcar.yaml")
			e.writeConfig(t, "", "{source: api-key, roots: ROOTS}")
			cwd := t.TempDir()
			e.sidecar = process.StartCommand(t, unlimited(t, cwd, map[string]string{"GOTRACEBACK": "crash"}, sealcar, "run", "--config", e.config))
			e.addr, _ = e.sidecar.AwaitKey(t, "listen")["listen"].(string)
			e.stream(t, marks.word("prompt")+strings.Repeat(" "+marks.word("later"), 600))

			e.sidecar.Signal(t, sig)
			e.sidecar.Wait(t)
			if e.sidecar.DumpedCore() {
				t.Error("the kernel wrote a core")
			}
			if left, err := os.ReadDir(cwd); err != nil || len(left) > 0 {
				t.Errorf("%v was left behind, %v", left, err)
			}
			trace := e.sidecar.Log()
			if !strings.Contains(trace, "goroutine ") {
				t.Fatalf("no trace: %q", trace)
			}
			marks.mustMiss(t, "the trace", trace)
		})
	}
}

// TestACrashOfAnotherProgramLeavesACore holds the test above to account: here is
// how a core looks on this machine.
func TestACrashOfAnotherProgramLeavesACore(t *testing.T) {
	t.Parallel()
	cwd := t.TempDir()
	s := process.StartCommand(t, unlimited(t, cwd, nil, "sh", "-c", `echo '{"up":true}' >&2; while :; do sleep 0.05; done`))
	s.AwaitKey(t, "up")
	s.Stop(t, syscall.SIGABRT)
	if !s.DumpedCore() {
		t.Skip("this machine writes no cores at all, so T64 proves nothing about them")
	}
}
