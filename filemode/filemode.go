package filemode

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// maxWord bounds a key or token, in bytes.
const maxWord = 4 << 10

// What others may not do with a file.
const (
	secretMask  fs.FileMode = 0o027 // a group may read: fsGroup, or a service's group
	trustedMask fs.FileMode = 0o002 // 0664 is what a umask of 002 leaves
)

// ReadSecret reads a file that holds a secret, whole, anew each time. More than
// limit bytes are an error. No error holds any of the content.
func ReadSecret(path string, limit int64) ([]byte, error) {
	return read(path, limit, checkSecret)
}

// ReadTrusted reads a file that decides what is trusted, such as roots. More
// than limit bytes are an error.
func ReadTrusted(path string, limit int64) ([]byte, error) {
	return read(path, limit, CheckTrusted)
}

func checkSecret(f *os.File) error {
	mode, m, err := modeOf(f)
	if err != nil {
		return err
	}
	if m.readOnly {
		mode &^= 0o222
	}
	if mode&secretMask == 0 || m.readOnly && m.inMemory {
		return nil
	}
	return fmt.Errorf("mode %#o lets others at a secret: chmod 600 it (640 for a group), or mount it as a Secret, and think about replacing it", mode)
}

// CheckTrusted says why an open file should not decide what is trusted.
func CheckTrusted(f *os.File) error {
	mode, m, err := modeOf(f)
	if err != nil {
		return err
	}
	if mode&trustedMask == 0 || m.readOnly {
		return nil
	}
	return fmt.Errorf("mode %#o lets everybody change it: chmod o-w it, or mount it read-only", mode)
}

func modeOf(f *os.File) (fs.FileMode, mount, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, mount{}, err
	}
	return info.Mode().Perm(), mountOf(f), nil
}

// ReadWord reads a secret that is one word of printable ASCII, such as an API
// key; white space around it (an editor's last newline) is cut off.
func ReadWord(path string) (string, error) {
	text, err := ReadSecret(path, maxWord)
	if err != nil {
		return "", err
	}
	word := string(bytes.TrimSpace(text))
	if err := CheckWord(word); err != nil {
		return "", fault(path, err)
	}
	return word, nil
}

// CheckWord wants what can stand in a header as it is.
func CheckWord(word string) error {
	switch {
	case word == "":
		return errors.New("it is empty")
	case len(word) > maxWord:
		return fmt.Errorf("it is over %d bytes", maxWord)
	case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it is not one word of printable ASCII")
	default:
		return nil
	}
}

// mount is what a file lies on.
type mount struct {
	readOnly bool
	inMemory bool // tmpfs or ramfs
}

// read judges the file that it has opened, so that nobody can exchange it in
// between. It does not wait for the writer of a pipe.
func read(path string, limit int64, check func(*os.File) error) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fault(path, err)
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, fault(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault(path, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type()))
	}
	if err := check(f); err != nil {
		return nil, fault(path, err)
	}
	text, err := readAtMost(f, limit)
	if err != nil {
		return nil, fault(path, err)
	}
	return text, nil
}

func fault(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the path is said already
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err // so are both
	}
	return fmt.Errorf("%q: %w", path, err)
}
