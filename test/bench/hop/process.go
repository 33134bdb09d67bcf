package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const startTimeout = 30 * time.Second

// process is a running server.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file of its standard error
}

// start runs a program that logs to a file in dir, as a container's runtime has
// it. Nothing of our environment is passed on.
func start(dir, name, binary string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log")}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer func() { _ = out.Close() }()                                 // the child has its own
	p.cmd = exec.CommandContext(context.Background(), binary, args...) // ended by stop
	p.cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + dir}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// awaitPort waits until somebody listens at addr.
func (p *process) awaitPort(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(p.log) // what there is of it
			return fmt.Errorf("%s does not listen on %s: %s", p.name, addr, tail(said))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }

// stop ends the process and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended already is waited for all the same
	killer := time.AfterFunc(startTimeout, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	_ = p.cmd.Wait() // how it ended says nothing about what was measured
}

// pids are the process and its children: nginx works in those.
func (p *process) pids() []int {
	pid := p.cmd.Process.Pid
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// cpu is the time that all threads together were on a processor. The kernel counts
// it in nanoseconds (proc(5), schedstat); threads that have ended are not in it,
// and a Go program ends next to none.
func (p *process) cpu() time.Duration {
	var sum int64
	for _, pid := range p.pids() {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well formed
		for _, file := range threads {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended
			}
			running, _, _ := bytes.Cut(text, []byte(" "))
			n, _ := strconv.ParseInt(string(running), 10, 64) // it is a number
			sum += n
		}
	}
	return time.Duration(sum)
}

// memory is the resident set, in bytes, of the process and its children.
func (p *process) memory() float64 {
	var sum float64
	for _, pid := range p.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // one that has ended has none
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64) // it is a number
				sum += kib * 1024
			}
		}
	}
	return sum
}
