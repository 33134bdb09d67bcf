package main

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// leastCover is how much of a file has to be the text of licences, in percent:
// names of holders and headings are the rest.
const leastCover = 75

// licenceFile is how files with a licence are called, noticeFile those that go with them.
var (
	licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)(-[a-z0-9.]+)?(\.(txt|md|rst))?$`)
	noticeFile  = regexp.MustCompile(`(?i)^(notice|patents)(\.(txt|md|rst))?$`)
)

// rootsLicence is the licence of Mozilla's list of roots.
//
//go:embed roots-MPL-2.0.txt
var rootsLicence []byte

// rootsNotice is what that licence wants said (section 3.2).
const rootsNotice = `/etc/ssl/certs/ca-certificates.crt holds the roots that Mozilla trusts for TLS, by
golang.org/x/crypto/x509roots/fallback. The list is under the Mozilla Public License 2.0, see
MPL-2.0.txt. Its source is certdata.txt of NSS:
https://hg.mozilla.org/projects/nss/raw-file/tip/lib/ckfw/builtins/certdata.txt
`

// look finds a part's licences: its own first, then those of code that it has taken
// over. Go's are its own alone, for what it has taken over is Go's, too, or a program
// that no binary is made of.
func (p *part) look() error {
	err := fs.WalkDir(os.DirFS(p.dir), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || p.name == std && path != "."):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case noticeFile.MatchString(entry.Name()):
			p.notices = append(p.notices, path)
			return nil
		case !licenceFile.MatchString(entry.Name()):
			return nil
		}
		return p.read(path)
	})
	if err == nil && len(p.files) == 0 {
		err = errors.New("it has no file with a licence")
	}
	return err
}

func (p *part) read(file string) error {
	text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(file)))
	if err != nil {
		return err
	}
	cover := licensecheck.Scan(text)
	if cover.Percent < leastCover {
		return fmt.Errorf("%s is no licence that is known: %.0f %% of it are", file, cover.Percent)
	}
	for _, m := range cover.Match {
		if !slices.Contains(p.licences, m.ID) {
			p.licences = append(p.licences, m.ID)
		}
	}
	p.files = append(p.files, file)
	return nil
}

// writeLicenses writes the licences of what a Go binary is made of: module, version,
// SPDX identifiers and the files that say so (CSV).
func writeLicenses(out, binary string) error {
	parts, err := partsOf(binary)
	if err != nil {
		return err
	}
	rows := [][]string{{"module", "version", "licence", "files"}}
	for _, p := range parts {
		rows = append(rows, []string{p.name, p.version, strings.Join(p.licences, " AND "), strings.Join(p.files, " ")})
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(f).WriteAll(rows), f.Close())
}

// licenseTexts are the files below licenses/ of an image: the licence of the binary
// itself, and those of the roots and of each part, which are to go with copies of them.
func licenseTexts(binary, own string) ([]entry, error) {
	parts, err := partsOf(binary)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(own)
	if err != nil {
		return nil, fmt.Errorf("reading the binary's own licence: %w", err)
	}
	entries := []entry{
		{path: "licenses/LICENSE", mode: 0o644, content: text},
		{path: "licenses/ca-certificates/MPL-2.0.txt", mode: 0o644, content: rootsLicence},
		{path: "licenses/ca-certificates/NOTICE", mode: 0o644, content: []byte(rootsNotice)},
	}
	for _, p := range parts {
		for _, file := range slices.Concat(p.files, p.notices) {
			text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(file)))
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry{path: path.Join("licenses", p.name+"@"+p.version, file), mode: 0o644, content: text})
		}
	}
	return entries, nil
}

// writeTexts writes the same below a folder, for image/Dockerfile.
func writeTexts(dir, binary, own string) error {
	entries, err := licenseTexts(binary, own)
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(e.path, "licenses/")))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { // #nosec G301 -- they are public
			return err
		}
		if err := os.WriteFile(file, e.content, 0o644); err != nil { // #nosec G306 -- they are public
			return err
		}
	}
	return nil
}
