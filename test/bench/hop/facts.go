package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// facts are about the run: figures mean nothing without them.
type facts struct {
	date     string
	machine  string
	versions string
	load     string // average of the last minute before the run
	length   string // "quick" or "full"
}

func gather(ctx context.Context, o options) facts {
	f := facts{date: time.Now().UTC().Format("2006-01-02"), length: "full"}
	if o.quick {
		f.length = "quick"
	}
	f.machine = fmt.Sprintf("%s, %d CPUs, Linux %s", processor(), runtime.NumCPU(), firstLine("/proc/sys/kernel/osrelease"))
	f.load, _, _ = strings.Cut(firstLine("/proc/loadavg"), " ")
	f.versions = "sealcar " + said(ctx, o.binary, "version") + "; " + runtime.Version()
	if nginx := nginxPath(); nginx != "" {
		f.versions += "; " + strings.TrimPrefix(said(ctx, nginx, "-v"), "nginx version: ")
	}
	return f
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // not every system has one
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimLeft(strings.TrimSpace(name), ": \t")
		}
	}
	return runtime.GOARCH
}

// firstLine is that of a small file; "" if there is none.
func firstLine(file string) string {
	text, _ := os.ReadFile(file) // what is not known is not shown
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// said is the first line of what a program says of itself.
func said(ctx context.Context, binary string, args ...string) string {
	if !strings.ContainsRune(binary, filepath.Separator) {
		binary = "." + string(filepath.Separator) + binary
	}
	out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	if err != nil {
		return "of an unknown version"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(line, "sealcar ")
}

// verdict is a line of the table.
type verdict struct {
	what, target, measured string
	ratio                  float64 // of what was measured to the target: 1 or less meets it; 0 if there is none
	note                   string
}

func (v verdict) met() string {
	switch {
	case v.ratio == 0:
		return "–"
	case v.ratio <= 1:
		return "yes"
	default:
		return "no"
	}
}
