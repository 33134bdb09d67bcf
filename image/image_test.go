package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// build runs the command for two platforms and gives the archive's name.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	amd, arm, out := filepath.Join(dir, "amd"), filepath.Join(dir, "arm"), filepath.Join(dir, "image.tar")
	for file, content := range map[string]string{amd: "amd64 binary", arm: "arm64 binary"} {
		if err := os.WriteFile(file, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	args := []string{"-o", out, "-name", "registry.example/sealcar:v1", "-version", "v1", "-created", "1700000000", "linux/amd64=" + amd, "linux/arm64=" + arm}
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
	if len(files) != 3 {
		t.Errorf("%s: %d files and directories, want the roots, the state directory and the binary: a shell has no place here", arch, len(files))
	}
	if got := files["sealcar"]; got != arch+" binary" {
		t.Errorf("%s: the binary is %q", arch, got)
	}
	if _, ok := files["var/lib/sealcar/"]; !ok {
		t.Errorf("%s: no state directory", arch)
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(files[rootsPath])) {
		t.Errorf("%s: no root certificates", arch)
	}
}

func TestRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"-name and at least one":     {},
		"PLATFORM=BINARY are needed": {"-name", "x"},
		"not of the form":            {"-name", "x", "linux/amd64"},
		"-created":                   {"-name", "x", "-created", "now", "linux/amd64=/dev/null"},
		"too many slashes":           {"-name", "x", "a/b/c/d=/dev/null"},
		"reading the binary":         {"-name", "x", "linux/amd64=/nowhere/sealcar"},
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

func TestBillOfMaterialsIsThatOfTheBinary(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sbom.json")
	if err := run([]string{"-version", "v1", "-sbom", file, self}, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Purl string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range bom.Components {
		names[c.Name] = true
	}
	if bom.BOMFormat != "CycloneDX" || !names["std"] || !names["github.com/google/go-containerregistry"] {
		t.Errorf("%q of %v", bom.BOMFormat, names)
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
