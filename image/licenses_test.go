package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestLicensesAreThoseOfTheBinary(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "licenses.csv")
	if err := run([]string{"-licenses", file, self}, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"std,go1.", "github.com/google/go-containerregistry,v0.22.1,Apache-2.0,LICENSE\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestUnknownLicensesAreErrors(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	apache := string(own)
	for name, tt := range map[string]struct {
		files map[string]string
		want  string // ids, or what the error says
	}{
		"its own":              {map[string]string{"LICENSE.txt": apache}, "Apache-2.0"},
		"of what it took over": {map[string]string{"LICENSE": apache, "internal/x/COPYING": apache}, "Apache-2.0"},
		"not of its tests":     {map[string]string{"LICENSE": apache, "testdata/LICENSE": "none"}, "Apache-2.0"},
		"no source file":       {map[string]string{"LICENSE": apache, "license.go": "package x"}, "Apache-2.0"},
		"none":                 {map[string]string{"README": apache}, "no file with a licence"},
		"unknown":              {map[string]string{"LICENSE": "All rights reserved. Ask us."}, "LICENSE is no licence that is known"},
		"one of two unknown":   {map[string]string{"LICENSE": apache, "sub/LICENCE": "Ask us."}, "sub/LICENCE is no licence"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(dir, filepath.FromSlash(file))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			p := part{name: "example.com/m", dir: dir}
			err := p.look()
			ids := p.licences
			if got := fmt.Sprint(strings.Join(ids, " "), err); !strings.Contains(got, tt.want) || (err == nil) != (tt.want == "Apache-2.0") {
				t.Errorf("%q, %v, want %s", ids, err, tt.want)
			}
		})
	}
}

func TestLicensesOfOtherSourcesAreRefused(t *testing.T) {
	t.Parallel()
	module := &debug.Module{Path: "github.com/google/licensecheck", Version: "v0.3.1", Sum: "h1:another"}
	if _, err := sources([]*debug.Module{module}); err == nil || !strings.Contains(err.Error(), "not those that the binary was built of") {
		t.Error(err)
	}
	module.Version = "v0.0.0-none"
	if _, err := sources([]*debug.Module{module}); err == nil || !strings.Contains(err.Error(), "v0.0.0-none") {
		t.Error(err)
	}
}

func TestAnotherGoThanTheBinarysIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := goPart("go1.0"); err == nil || !strings.Contains(err.Error(), "the binary was built by go1.0") {
		t.Error(err)
	}
}
