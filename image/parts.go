package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
)

// part is something that a binary is made of: a module, or Go itself.
type part struct {
	name, version string
	sum           string   // of go.sum; "" for Go
	dir           string   // of its sources
	licences      []string // SPDX identifiers
	files         []string // with those licences, below dir
	notices       []string // files that go with them, such as NOTICE (Apache-2.0, section 4)
}

// std is Go's own part of every binary, as debug/buildinfo and its purl have it.
const std = "std"

// partsOf gives what a Go binary says it is made of, Go first, with the licences that
// are in the sources: Go's in GOROOT, the others' in the module cache. Sources that are
// not the binary's are an error, and so is a part without a licence that is known.
func partsOf(binary string) ([]part, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading what %q is made of: %w", binary, err)
	}
	first, err := goPart(info.GoVersion)
	if err != nil {
		return nil, err
	}
	deps := make([]*debug.Module, len(info.Deps))
	for i, d := range info.Deps {
		deps[i] = d
		if d.Replace != nil {
			deps[i] = d.Replace
		}
	}
	dirs, err := sources(deps)
	if err != nil {
		return nil, err
	}
	parts := []part{first}
	for i, d := range deps {
		parts = append(parts, part{name: d.Path, version: d.Version, sum: d.Sum, dir: dirs[i]})
	}
	var wrong []error
	for i := range parts {
		if err := parts[i].look(); err != nil {
			wrong = append(wrong, fmt.Errorf("%s %s: %w", parts[i].name, parts[i].version, err))
		}
	}
	return parts, errors.Join(wrong...)
}

// goPart is Go, if the one that is installed is the binary's.
func goPart(version string) (part, error) {
	out, err := goCommand("env", "GOROOT", "GOVERSION")
	if err != nil {
		return part{}, err
	}
	root, installed, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	built, _, _ := strings.Cut(version, " ") // experiments come after it
	if installed, _, _ := strings.Cut(installed, " "); installed != built {
		return part{}, fmt.Errorf("the binary was built by %s, and this is %s: use the same", built, installed)
	}
	return part{name: std, version: built, dir: root}, nil
}

// sources gives the folders of modules in the module cache. It goes to no network:
// what a binary was built of is there.
func sources(modules []*debug.Module) ([]string, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	listed, err := goCommand(args...)
	if err != nil && len(listed) == 0 {
		return nil, err
	}
	var dirs []string
	decoder := json.NewDecoder(bytes.NewReader(listed))
	for _, m := range modules {
		var found struct{ Dir, Sum, Error string }
		if err := decoder.Decode(&found); err != nil {
			return nil, fmt.Errorf("reading what go mod download says of %s: %w", m.Path, err)
		}
		if found.Error != "" {
			return nil, fmt.Errorf("the sources of %s %s are not in the module cache: %s", m.Path, m.Version, found.Error)
		}
		if found.Sum != m.Sum {
			return nil, fmt.Errorf("the sources of %s %s are not those that the binary was built of: %s, want %s", m.Path, m.Version, found.Sum, m.Sum)
		}
		dirs = append(dirs, found.Dir)
	}
	return dirs, nil
}

// goCommand runs go in no module and without a network. What it prints is given even
// if it fails.
func goCommand(args ...string) ([]byte, error) {
	// env, for the settings are added to what the process has.
	args = append([]string{"GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOFLAGS=", "go"}, args...)
	cmd := exec.CommandContext(context.Background(), "env", args...) // #nosec G204 -- names of modules
	cmd.Dir = os.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args[4:6], " "), err, &stderr)
	}
	return out, err
}
