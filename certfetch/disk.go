package certfetch

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"sealcar/filemode"
)

const (
	maxEntry    = 2 * maxPEM // bytes of one file
	entrySuffix = ".json"
	timeFormat  = time.RFC3339
)

// disk keeps entries as files, one each. Several processes may share its
// directory: a file is replaced as a whole or not at all.
type disk struct {
	dir   *filemode.Dir
	scope string
	size  int // files kept
}

// diskEntry is one file's content. Whose certificate it is stands in it, so that
// a file under another's name is found out.
type diskEntry struct {
	Scope   string    `json:"scope"`
	Model   string    `json:"model"`
	AICC    bool      `json:"aicc"`
	Source  string    `json:"source,omitempty"`
	Fetched time.Time `json:"fetched"`
	Chain   string    `json:"chain"` // PEM, leaf first
}

// stored is what a file says, not verified.
type stored struct {
	chain   []*x509.Certificate
	source  string
	fetched time.Time
}

func openDisk(dir, scope string, size int) (*disk, error) {
	opened, err := filemode.OpenPrivateDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the certificate cache %w", err)
	}
	return &disk{dir: opened, scope: scope, size: size}, nil
}

func (d *disk) close() { d.dir.Close() }

func (d *disk) name(k key) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t", d.scope, k.model, k.aicc))
	return hex.EncodeToString(sum[:]) + entrySuffix
}

// load reads k's file. Without one it returns nil and no error.
func (d *disk) load(k key) (*stored, error) {
	text, err := d.dir.Read(d.name(k), maxEntry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %w", err)
	}
	var e diskEntry
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("reading %q: %w", d.dir.Path(d.name(k)), err)
	}
	if e.Scope != d.scope || e.Model != k.model || e.AICC != k.aicc {
		return nil, fmt.Errorf("reading %q: it is another certificate's file", d.dir.Path(d.name(k)))
	}
	chain, err := ParseChain([]byte(e.Chain))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", d.dir.Path(d.name(k)), err)
	}
	return &stored{chain: chain, source: e.Source, fetched: e.Fetched}, nil
}

// save writes k's file, and makes room for it.
func (d *disk) save(k key, e *entry) error {
	text, err := json.Marshal(diskEntry{
		Scope: d.scope, Model: k.model, AICC: k.aicc, Source: e.source, Fetched: e.fetched, Chain: string(encodeChain(e.chain)),
	})
	if err != nil {
		return err
	}
	if err := d.dir.Replace(d.name(k), text, 0o600); err != nil {
		return fmt.Errorf("writing %w", err)
	}
	return d.prune()
}

// remove takes k's file away, if there is one.
func (d *disk) remove(k key) error { return d.dir.Remove(d.name(k)) }

// prune removes the oldest of our files beyond the number kept, those that a
// crash left half-written included.
func (d *disk) prune() error {
	files, err := d.dir.Files()
	if err != nil {
		return err
	}
	ours := slices.DeleteFunc(files, func(f fs.FileInfo) bool {
		return !strings.HasSuffix(f.Name(), entrySuffix) && !strings.HasSuffix(f.Name(), filemode.TempSuffix)
	})
	slices.SortFunc(ours, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var faults []error
	for _, old := range ours[min(d.size, len(ours)):] {
		faults = append(faults, d.dir.Remove(old.Name()))
	}
	return errors.Join(faults...)
}
