package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealcar/test/process"
)

// command runs sealcar to its end.
func command(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sealcar, args...)
	cmd.Env = process.Environment(t, env)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), faults.String()
}

func TestExecGivesCurlEveryVariableItNeeds(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	e := start(t, "", "")
	for _, scheme := range []string{"http", "https"} {
		status, stdout, stderr := command(t, nil, "exec", "--config", e.config, "--",
			"curl", "-sS", "--fail-with-body", scheme+"://"+arkHost+chatPath,
			"-H", "Authorization: Bearer "+e.key, "-H", "Content-Type: application/json", "-d", chat(true, "hello"))
		if status != 0 || !strings.Contains(stdout, `"content":" hello"`) || !strings.HasSuffix(stdout, "data: [DONE]\n\n") {
			t.Errorf("%s: status %d\n%s%s", scheme, status, stdout, stderr)
		}
	}
	e.enclave.Await(t, 2, "a sealed chat", func(entry map[string]any) bool { return entry["treatment"] == "sealed" })
}

// A client that looks at no proxy variable still has a base URL to go by.
func TestExecSetsTheBaseURLIfAskedTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ flag, want string }{
		{"--base-url", "yes"},
		{"--base-url=false", "no"},
	} {
		const script = `case "$OPENAI_BASE_URL" in "$HTTP_PROXY/v1") echo yes;; https://own.example/v1) echo no;; esac`
		env := map[string]string{"OPENAI_BASE_URL": "https://own.example/v1"}
		status, stdout, stderr := command(t, env, "exec", test.flag, "--", "sh", "-c", script)
		if status != 0 || strings.TrimSpace(stdout) != test.want {
			t.Errorf("%s: status %d, said %q\n%s", test.flag, status, stdout, stderr)
		}
	}
}

func TestExecPassesTheExitStatusThrough(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"success", []string{"true"}, 0},
		{"failure", []string{"sh", "-c", "exit 7"}, 7},
		{"ended by a signal", []string{"sh", "-c", "kill -TERM $$"}, 128 + int(syscall.SIGTERM)},
		{"its flags are its own", []string{"sh", "-c", `test "$1" = --config && exit 5`, "sh", "--config"}, 5},
		{"no such command", []string{"no-such-command-anywhere"}, 127},
		{"not a program", []string{"/dev/null"}, 126},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, _, stderr := command(t, nil, append([]string{"exec", "--"}, test.args...)...)
			if status != test.want {
				t.Errorf("status %d, want %d\n%s", status, test.want, stderr)
			}
		})
	}
}

func TestExecPassesSignalsOn(t *testing.T) {
	t.Parallel()
	s := process.Start(t, sealcar, nil, "exec", "--", "sh", "-c", `trap 'echo "{\"got\":\"it\"}" >&2; exit 0' USR1; echo '{"up":true}' >&2; while :; do sleep 0.05; done`)
	s.AwaitKey(t, "up")
	s.Signal(t, syscall.SIGUSR1)
	s.AwaitKey(t, "got")
	if status := s.Wait(t); status != 0 {
		t.Errorf("status %d, want the command's own 0", status)
	}
}

func TestDemoKeepsItsPromise(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := command(t, nil, "demo", "--json")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	var shown struct {
		Word  string
		Chats []struct {
			AppSent     string `json:"app_sent"`
			WireRequest string `json:"wire_request"`
			Opened      string
			WireReply   string `json:"wire_reply"`
			AppReceived string `json:"app_received"`
			Steps       []struct{ Seconds float64 }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Chats) != 2 || shown.Word == "" {
		t.Fatalf("%d chats about %q", len(shown.Chats), shown.Word)
	}
	for i, c := range shown.Chats {
		for name, text := range map[string]string{"the app's request": c.AppSent, "the opened request": c.Opened, "the app's reply": c.AppReceived} {
			if !strings.Contains(text, shown.Word) {
				t.Errorf("chat %d: %s lacks the word: %s", i, name, text)
			}
		}
		for name, text := range map[string]string{"request": c.WireRequest, "reply": c.WireReply} {
			if text == "" || strings.Contains(text, shown.Word) {
				t.Errorf("chat %d: the word, or nothing, crossed the wire in the %s: %s", i, name, text)
			}
		}
		for _, s := range c.Steps {
			if s.Seconds < 0 {
				t.Errorf("chat %d: a step took %v s", i, s.Seconds)
			}
		}
	}
}
