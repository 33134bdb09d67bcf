package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = time.Minute     // until a server says where it listens
	stopTimeout  = time.Minute     // from SIGTERM to its end
	chatsTimeout = 3 * time.Minute // for all chats of one program
)

// server is a running process of ours that logs to standard error, a JSON
// document a line.
type server struct {
	lines chan struct{} // closed when a line came; guarded by mu, replaced each time
	mu    sync.Mutex
	log   []map[string]any
	raw   bytes.Buffer
	ended chan struct{}
}

// start runs sealcar until the test ends, and sees that it then ends well.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), built.sealcar, args...) // ended below, not by the test's context
	cmd.Env = environment(t, nil)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{lines: make(chan struct{}), ended: make(chan struct{})}
	go s.read(stderr)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended already is found out by Wait
		select {
		case <-s.ended:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			t.Errorf("%v does not end on SIGTERM", args)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if t.Failed() {
			t.Logf("%v logged:\n%s", args, s.raw.Bytes())
		}
	})
	return s
}

func (s *server) read(stderr io.Reader) {
	defer close(s.ended)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry map[string]any
		_ = json.Unmarshal(lines.Bytes(), &entry) // what is no document is shown with the rest on failure
		s.mu.Lock()
		s.raw.Write(append(lines.Bytes(), '\n'))
		s.log = append(s.log, entry)
		close(s.lines)
		s.lines = make(chan struct{})
		s.mu.Unlock()
	}
}

// await gives the first log line that has the key.
func (s *server) await(t *testing.T, key string) map[string]any {
	t.Helper()
	deadline := time.After(startTimeout)
	for {
		s.mu.Lock()
		more := s.lines
		for _, entry := range s.log {
			if _, ok := entry[key]; ok {
				s.mu.Unlock()
				return entry
			}
		}
		s.mu.Unlock()
		select {
		case <-more:
		case <-s.ended:
			t.Fatalf("ended before it logged %q:\n%s", key, s.raw.Bytes())
		case <-deadline:
			t.Fatalf("did not log %q in %v", key, startTimeout)
		}
	}
}

// count waits until want requests for an endpoint are logged, for their lines
// come after their replies, and counts them by the value of a key.
func (s *server) count(t *testing.T, endpoint, key string, want int) map[string]int {
	t.Helper()
	deadline := time.After(startTimeout)
	for {
		s.mu.Lock()
		more := s.lines
		counts, total := map[string]int{}, 0
		for _, entry := range s.log {
			if text, ok := entry[key].(string); ok && entry["endpoint"] == endpoint {
				counts[text]++
				total++
			}
		}
		s.mu.Unlock()
		if total >= want {
			return counts
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("logged %d requests for %s, want %d", total, endpoint, want)
		}
	}
}

// environment is the whole environment of a child process: nothing that the
// machine has set, proxies least of all, but where programs and scratch are.
func environment(t *testing.T, extra map[string]string) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "PYTHONDONTWRITEBYTECODE=1"}
	for key, value := range extra {
		env = append(env, key+"="+value)
	}
	return env
}

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
	cmd.Env = environment(t, env)
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
