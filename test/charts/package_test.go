package charts_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// In the tree the library chart is a link, so that a clean clone installs without
// a build step. In a package there are no links: what is in it has to be the same.
func TestPackageIsTheChartOfTheTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := run(t, nil, "helm", "package", "charts/sealcar", "-d", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "sealcar-*.tgz"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("%q, %v", packages, err)
	}
	for _, name := range noFiles(t, packages[0]) {
		t.Errorf("%s is no file", name)
	}
	compared := 0
	for _, r := range renderings() {
		if r.chart != "charts/sealcar" {
			continue
		}
		tree := r.manifests(t)
		if tree != r.manifests(t) {
			continue // it makes keys, new ones each time
		}
		compared++
		r.chart = packages[0]
		if packaged := r.manifests(t); packaged != tree {
			t.Errorf("%s: the package gives\n%s\nthe tree\n%s", r.name, packaged, tree)
		}
	}
	if compared < 4 {
		t.Errorf("only %d renderings are the same twice", compared)
	}
}

func (r rendering) manifests(t *testing.T) string {
	t.Helper()
	out, err := run(t, nil, "helm", r.args("template", newest)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// noFiles gives what a package holds besides files.
func noFiles(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for content := tar.NewReader(unzipped); ; {
		header, err := content.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			names = append(names, header.Name)
		}
	}
}
