package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// build runs the command for two platforms and gives the archive's name. The binary is
// this one, for it has to say what it is made of.
func build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image.tar")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	args := []string{"-o", out, "-name", "registry.example/sealcar:v1", "-version", "v1", "-created", "1700000000", "linux/amd64=" + self, "linux/arm64=" + self}
	if err := run(args, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return out
}

func TestSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two runs wrote different archives")
	}
}

func TestArchiveHoldsOneImageForEachPlatform(t *testing.T) {
	t.Parallel()
	outer, index := open(t, build(t))
	if got := outer.Manifests[0].Annotations[annotationName]; got != "registry.example/sealcar:v1" {
		t.Errorf("it is imported as %q", got)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range m.Manifests {
		platforms = append(platforms, d.Platform.String())
		image, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, image, d.Platform.Architecture)
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
		t.Errorf("platforms %q, want %q", platforms, want)
	}
}

func checkImage(t *testing.T, image v1.Image, arch string) {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Config.User != "65532:65532" || !slices.Equal(c.Config.Entrypoint, []string{"/sealcar"}) || c.Architecture != arch {
		t.Errorf("%s: user %q, entrypoint %q, architecture %q", arch, c.Config.User, c.Config.Entrypoint, c.Architecture)
	}
	files := map[string]string{}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		unpack(t, l, files)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if files["sealcar"] != string(content) {
		t.Errorf("%s: another binary", arch)
	}
	for name := range files {
		if !slices.Contains([]string{"sealcar", "var/lib/sealcar/", rootsPath}, name) && !strings.HasPrefix(name, "licenses/") {
			t.Errorf("%s: %s: a shell and the like have no place here", arch, name)
		}
	}
	checkLicences(t, files)
	if _, ok := files["var/lib/sealcar/"]; !ok {
		t.Errorf("%s: no state directory", arch)
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(files[rootsPath])) {
		t.Errorf("%s: no root certificates", arch)
	}
}

// Each part's licence goes with its copy.
func checkLicences(t *testing.T, files map[string]string) {
	t.Helper()
	for name, want := range map[string]string{
		"licenses/LICENSE":                               "Apache License",
		"licenses/ca-certificates/MPL-2.0.txt":           "Mozilla Public License Version 2.0",
		"licenses/ca-certificates/NOTICE":                "certdata.txt",
		"licenses/std@" + runtime.Version() + "/LICENSE": "The Go Authors",
		"licenses/std@" + runtime.Version() + "/PATENTS": "patent",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: no %q in %.100q", name, want, files[name])
		}
	}
	info, _ := debug.ReadBuildInfo()
	for _, d := range info.Deps {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(name string) bool { return strings.HasPrefix(name, "licenses/"+d.Path+"@"+d.Version+"/") }) {
			t.Errorf("no licence of %s %s", d.Path, d.Version)
		}
	}
	if cyclone := slices.IndexFunc(info.Deps, func(d *debug.Module) bool { return strings.HasSuffix(d.Path, "cyclonedx-go") }); files["licenses/"+info.Deps[cyclone].Path+"@"+info.Deps[cyclone].Version+"/NOTICE"] == "" {
		t.Error("its NOTICE is missing")
	}
}

func TestRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"-name and at least one":     {},
		"PLATFORM=BINARY are needed": {"-name", "x"},
		"not of the form":            {"-name", "x", "linux/amd64"},
		"-created":                   {"-name", "x", "-created", "now", "linux/amd64=/dev/null"},
		"too many slashes":           {"-name", "x", "a/b/c/d=/dev/null"},
		"reading the binary":         {"-name", "x", "linux/amd64=/nowhere/sealcar"},
		"reading what":               {"-name", "x", "linux/amd64=/dev/null"},
		"the binary's own licence":   {"-name", "x", "-own-license", "/nowhere/LICENSE", "linux/amd64=" + self},
	} {
		if err := run(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestRootsAloneArePEM(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := run([]string{"-roots", file}, io.Discard); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(content, []byte("BEGIN CERTIFICATE")); n < 50 {
		t.Errorf("%d roots", n)
	}
}

// open gives the layout's own index and the one of the images.
func open(t *testing.T, archive string) (*v1.IndexManifest, v1.ImageIndex) {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	extract(t, f, func(name string, content []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	})
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var outer v1.IndexManifest
	if err := json.Unmarshal(raw, &outer); err != nil {
		t.Fatal(err)
	}
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := root.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return &outer, index
}

func unpack(t *testing.T, l v1.Layer, into map[string]string) {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	extract(t, r, func(name string, content []byte) { into[name] = string(content) })
}

func extract(t *testing.T, r io.Reader, each func(name string, content []byte)) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		each(h.Name, content)
	}
}
