package certfetch

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sealcar/filemode"
)

const (
	maxEntry    = 2 * maxPEM // bytes of one file
	entrySuffix = ".json"
	tempSuffix  = ".tmp"
	timeFormat  = time.RFC3339
)

// disk keeps entries as files, one each. Several processes may share its
// directory: a file is replaced as a whole or not at all.
type disk struct {
	root  *os.Root
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
	root, err := filemode.OpenPrivateDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the certificate cache %w", err)
	}
	return &disk{root: root, scope: scope, size: size}, nil
}

func (d *disk) close() { _ = d.root.Close() }

func (d *disk) name(k key) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t", d.scope, k.model, k.aicc))
	return hex.EncodeToString(sum[:]) + entrySuffix
}

// load reads k's file. Without one it returns nil and no error.
func (d *disk) load(k key) (*stored, error) {
	text, err := d.read(d.name(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", d.name(k), err)
	}
	var e diskEntry
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("reading %q: %w", d.name(k), err)
	}
	if e.Scope != d.scope || e.Model != k.model || e.AICC != k.aicc {
		return nil, fmt.Errorf("reading %q: it is another certificate's file", d.name(k))
	}
	chain, err := ParseChain([]byte(e.Chain))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", d.name(k), err)
	}
	return &stored{chain: chain, source: e.Source, fetched: e.Fetched}, nil
}

// read takes only a regular file that nobody else could have written. Nobody
// else can exchange it between the look and the opening: the directory is ours.
func (d *disk) read(name string) ([]byte, error) {
	seen, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", seen.Mode().Type())
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := filemode.CheckPrivate(info); err != nil {
		return nil, err
	}
	return readAtMost(f, maxEntry)
}

// save writes k's file beside its place and moves it there. It is not flushed
// to the device: what a crash leaves broken is ignored when it is read.
func (d *disk) save(k key, e *entry) error {
	text, err := json.Marshal(diskEntry{
		Scope: d.scope, Model: k.model, AICC: k.aicc, Source: e.source, Fetched: e.fetched, Chain: string(encodeChain(e.chain)),
	})
	if err != nil {
		return err
	}
	temp := rand.Text() + tempSuffix
	if err := d.write(temp, text); err != nil {
		return errors.Join(err, d.root.Remove(temp))
	}
	if err := d.root.Rename(temp, d.name(k)); err != nil {
		return errors.Join(err, d.root.Remove(temp))
	}
	return d.prune()
}

// remove takes k's file away, if there is one.
func (d *disk) remove(k key) error {
	if err := d.root.Remove(d.name(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *disk) write(name string, text []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// prune removes the oldest of our files beyond the number kept, those that a
// crash left half-written included.
func (d *disk) prune() error {
	files, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	var ours []fs.FileInfo
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), entrySuffix) && !strings.HasSuffix(f.Name(), tempSuffix) {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) { // another process was faster
			continue
		}
		if err != nil {
			return err
		}
		ours = append(ours, info)
	}
	slices.SortFunc(ours, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var faults []error
	for _, old := range ours[min(d.size, len(ours)):] {
		if err := d.root.Remove(old.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("it is over %d bytes", limit)
	}
	return b, nil
}
