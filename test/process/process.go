package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = time.Minute // until a process logs what is awaited
	stopTimeout  = time.Minute // from a signal to the end
)

// Build builds the Go program in the folder source into dir and returns its
// path.
func Build(source, dir, name string) (string, error) {
	binary := dir + string(os.PathSeparator) + name
	build := exec.CommandContext(context.Background(), "go", "-C", source, "build", "-buildvcs=false", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %q: %w\n%s", source, err, out)
	}
	return binary, nil
}

// Environment is the whole environment of a child: nothing that the machine has
// set, proxies least of all, but where programs and scratch are, and what is
// given. Lines of log do not wait for each other: tests read them once a reply is
// there.
func Environment(t testing.TB, extra map[string]string) []string {
	t.Helper()
	scratch := t.TempDir()
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": scratch, "TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1", "SEALCAR_LOG_DELAY": "0s"}
	maps.Copy(env, extra)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		list = append(list, key+"="+env[key])
	}
	return list
}

// Server is a running process that logs to standard error, a JSON document a
// line.
type Server struct {
	args []string
	cmd  *exec.Cmd

	ended chan struct{} // standard error is closed

	mu    sync.Mutex
	log   []map[string]any
	raw   bytes.Buffer
	lines chan struct{} // closed and replaced when a line comes

	wait    func() error
	awaited bool // by the test
}

// Start runs a command until the test ends, and sees that it then ends well on
// SIGTERM, unless the test has ended it.
func Start(t testing.TB, binary string, env map[string]string, args ...string) *Server {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), binary, args...) // ended by StartCommand, not by the test's context
	cmd.Env = Environment(t, env)
	return StartCommand(t, cmd)
}

// StartCommand is Start for a command that is no plain call: one in a folder or
// under a user of its own.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	args := cmd.Args[1:]
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{args: args, cmd: cmd, lines: make(chan struct{}), ended: make(chan struct{})}
	s.wait = sync.OnceValue(func() error {
		<-s.ended
		return cmd.Wait()
	})
	go s.read(stderr)
	t.Cleanup(func() {
		awaited := s.awaited // then its end was the test's own matter
		if status := s.Stop(t, syscall.SIGTERM); status != 0 && !awaited {
			t.Errorf("%v ended with status %d", args, status)
		}
		if t.Failed() {
			t.Logf("%v logged:\n%s", args, s.Log())
		}
	})
	return s
}

// PID is the process's id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// DumpedCore tells whether a process that has ended, by Wait or Stop, left a core
// behind, as the kernel has it.
func (s *Server) DumpedCore() bool {
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.CoreDump()
}

// Signal sends a signal.
func (s *Server) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v: sending %v: %v", s.args, sig, err)
	}
}

// Stop sends a signal, waits for the end, and returns the exit status; 128 and
// the number of the signal that killed it. A process that has ended already
// gives its status.
func (s *Server) Stop(t testing.TB, sig os.Signal) int {
	t.Helper()
	_ = s.cmd.Process.Signal(sig) // one that has ended already is found out below
	return s.Wait(t)
}

// Wait waits for the end and returns the exit status, as Stop does.
func (s *Server) Wait(t testing.TB) int {
	t.Helper()
	s.awaited = true
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		t.Errorf("%v does not end", s.args)
	}
	_ = s.wait() // the state below tells
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return s.cmd.ProcessState.ExitCode()
}

// Log is everything that was logged so far.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

func (s *Server) read(stderr io.Reader) {
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

// Await gives the first n log entries that match, once there are as many.
func (s *Server) Await(t testing.TB, n int, what string, match func(entry map[string]any) bool) []map[string]any {
	t.Helper()
	deadline := time.After(startTimeout)
	for {
		s.mu.Lock()
		more := s.lines
		var found []map[string]any
		for _, entry := range s.log {
			if match(entry) {
				found = append(found, entry)
			}
		}
		s.mu.Unlock()
		if len(found) >= n {
			return found[:n]
		}
		select {
		case <-more:
		case <-s.ended:
			t.Fatalf("%v ended before it logged %s:\n%s", s.args, what, s.Log())
		case <-deadline:
			t.Fatalf("%v logged %s %d times in %v, want %d:\n%s", s.args, what, len(found), startTimeout, n, s.Log())
		}
	}
}

// AwaitKey gives the first log entry that has the key.
func (s *Server) AwaitKey(t testing.TB, key string) map[string]any {
	t.Helper()
	return s.Await(t, 1, fmt.Sprintf("the key %q", key), func(entry map[string]any) bool {
		_, ok := entry[key]
		return ok
	})[0]
}
