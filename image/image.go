package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// user is the one that distroless images made customary; Kubernetes'
	// runAsNonRoot wants a number.
	user = 65532

	rootsPath = "etc/ssl/certs/ca-certificates.crt" // where crypto/x509 and sealcar look first
	stateDir  = "var/lib/sealcar"
)

// spec is what an archive is made of.
type spec struct {
	Name     string // reference it is imported under
	Path     string // of the binary, without a leading slash
	Version  string
	Revision string // "" for unknown
	Created  time.Time
	Binaries binaries
}

// binaries are the contents of the binaries, in the order they were given.
type binaries []binary

type binary struct {
	platform v1.Platform
	content  []byte
	texts    []entry // of licences
}

func (b binaries) add(platform, file, own string) (binaries, error) {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, fmt.Errorf("platform %q: %w", platform, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the binary for %s: %w", platform, err)
	}
	texts, err := licenseTexts(file, own)
	if err != nil {
		return nil, fmt.Errorf("finding the licences of the binary for %s: %w", platform, err)
	}
	return append(b, binary{platform: *p, content: content, texts: texts}), nil
}

// index is one image a platform.
func (s spec) index() (v1.ImageIndex, error) {
	base, err := layer(baseFiles())
	if err != nil {
		return nil, fmt.Errorf("making the base layer: %w", err)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range s.Binaries {
		image, err := s.image(b, base)
		if err != nil {
			return nil, fmt.Errorf("making the image for %s: %w", b.platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &b.platform},
		})
	}
	return index, nil
}

func (s spec) image(b binary, base v1.Layer) (v1.Image, error) {
	texts, err := layer(b.texts)
	if err != nil {
		return nil, err
	}
	program, err := layer([]entry{{path: s.Path, mode: 0o755, content: b.content}})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.AppendLayers(image, base, texts, program)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = b.platform.OS, b.platform.Architecture, b.platform.Variant
	file.Created = v1.Time{Time: s.Created}
	file.Config = v1.Config{
		Entrypoint: []string{"/" + s.Path},
		Cmd:        []string{"run"},
		User:       fmt.Sprintf("%d:%d", user, user),
		WorkingDir: "/",
		Env:        []string{"SEALCAR_STATE_DIR=/" + stateDir}, // the user has no home
		Labels:     s.labels(),
	}
	return mutate.ConfigFile(image, file)
}

// labels are those of
// https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md
func (s spec) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	l := map[string]string{
		prefix + "title":       "sealcar",
		prefix + "description": "encrypting proxy sidecar for OpenAI-style applications",
		prefix + "licenses":    "Apache-2.0",
		prefix + "version":     s.Version,
		prefix + "created":     s.Created.Format(time.RFC3339),
	}
	if s.Revision != "" {
		l[prefix+"revision"] = s.Revision
	}
	return l
}

// entry is a file of a layer, or a directory if its content is nil.
type entry struct {
	path    string
	mode    int64
	owner   int
	content []byte
}

func baseFiles() []entry {
	return []entry{
		{path: rootsPath, mode: 0o644, content: rootsPEM()},
		{path: stateDir + "/", mode: 0o700, owner: user},
	}
}

// layer writes the entries without times, so that it depends on nothing else.
func layer(entries []entry) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Name: e.path, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.content)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if e.content == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// rootsPEM are the roots that Mozilla trusts for TLS. Those that it distrusts
// from a date on are left out: a PEM file cannot say so.
func rootsPEM() []byte {
	var b []byte
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})...)
		}
	}
	return b
}
