package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// leastCover is how much of a file has to be the text of licences, in percent:
// names of holders and headings are the rest.
const leastCover = 75

// licenceFile is how files with a licence are called.
var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)(-[a-z0-9.]+)?(\.(txt|md|rst))?$`)

// writeLicenses writes the licences of what a Go binary is made of: module,
// version, SPDX identifiers and the files that say so (CSV). It reads the binary
// and the module cache, and checks that the sources there are the binary's. A
// module without a licence, or with one that nobody knows, is an error.
func writeLicenses(out, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("reading what %q is made of: %w", binary, err)
	}
	dirs, err := sources(info.Deps)
	if err != nil {
		return err
	}
	rows := [][]string{
		{"module", "version", "licence", "files"},
		{"std", info.GoVersion, "BSD-3-Clause", "LICENSE"}, // https://go.dev/LICENSE
	}
	var wrong []error
	for i, d := range info.Deps {
		ids, files, err := licensesIn(dirs[i])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s %s: %w", d.Path, d.Version, err))
		}
		rows = append(rows, []string{d.Path, d.Version, strings.Join(ids, " AND "), strings.Join(files, " ")})
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	return writeCSV(out, rows)
}

// sources gives the folders of modules in the module cache. It goes to no network:
// what a binary was built of is there.
func sources(modules []*debug.Module) ([]string, error) {
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	// env, for the settings are added to what the process has; the sums are compared
	// below.
	args = append([]string{"GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOFLAGS=", "go"}, args...)
	cmd := exec.CommandContext(context.Background(), "env", args...) // #nosec G204 -- names of modules
	cmd.Dir = os.TempDir()                                           // in no module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	listed, err := cmd.Output()
	if err != nil && len(listed) == 0 {
		return nil, fmt.Errorf("go mod download: %w: %s", err, &stderr)
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

// licensesIn gives the identifiers of a module's licences and the files that have
// them: its own first, then those of code that it has taken over.
func licensesIn(dir string) (ids, files []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir() || !licenceFile.MatchString(entry.Name()):
			return nil
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			return err
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < leastCover {
			return fmt.Errorf("%s is no licence that is known: %.0f %% of it are", path, cover.Percent)
		}
		for _, m := range cover.Match {
			if !slices.Contains(ids, m.ID) {
				ids = append(ids, m.ID)
			}
		}
		files = append(files, path)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = errors.New("it has no file with a licence")
	}
	return ids, files, err
}

func writeCSV(out string, rows [][]string) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(f).WriteAll(rows), f.Close())
}
