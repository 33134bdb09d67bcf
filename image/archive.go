package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// annotationName is the name that containerd gives an imported image, and
// annotationRef what podman and skopeo choose one by.
const (
	annotationName = "io.containerd.image.name"
	annotationRef  = "org.opencontainers.image.ref.name"
)

// writeArchive writes the images as an OCI layout in a tar file.
func writeArchive(file string, s spec) (err error) {
	index, err := s.index()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(file), ".image-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is only in the way
	if err := writeLayout(filepath.Join(dir, "layout"), index, s.Name); err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	whole := filepath.Join(dir, "tar")
	if err := pack(whole, os.DirFS(filepath.Join(dir, "layout"))); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	return os.Rename(whole, file) // readers see the old archive or the new one
}

func writeLayout(dir string, index v1.ImageIndex, name string) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(map[string]string{annotationName: name, annotationRef: name}))
}

// pack writes the files of a tree in the order of their names, without times
// and owners.
func pack(file string, tree fs.FS) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // after the Close below it only says so
	w := tar.NewWriter(f)
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return packFile(w, tree, path)
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

func packFile(w *tar.Writer, tree fs.FS, path string) error {
	content, err := fs.ReadFile(tree, path)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
