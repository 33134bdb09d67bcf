package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the file is left alone after a first sign of change, so
// that a writer gets done and one change is one call.
const settle = 100 * time.Millisecond

// Watcher notices changes of a configuration file. It follows an editor's write
// or rename, a symbolic link that is pointed elsewhere, and the ..data swap by
// which Kubernetes updates a mounted ConfigMap (but for subPath mounts, which
// Kubernetes never updates). A file that is missing for a while is waited for.
//
// viper's WatchConfig does the same, but cannot be stopped and ends the process
// when there is nothing to watch with.
type Watcher struct {
	path    string
	events  *fsnotify.Watcher
	realDir string // watched too, when the file is a symbolic link
	sum     [sha256.Size]byte
}

// NewWatcher remembers the content of the file at the absolute path as it is
// now: made before Load, it misses no change after what Load read. Watch or
// Close ends it.
func NewWatcher(path string) (*Watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %q: %w", path, err)
	}
	// The directory and not the file: a rename puts another file in its place.
	if err := events.Add(filepath.Dir(path)); err != nil {
		_ = events.Close() // it watches nothing
		return nil, fmt.Errorf("watching %q: %w", path, err)
	}
	w := &Watcher{path: path, events: events}
	w.follow()
	w.isNew()
	return w, nil
}

// Close ends a Watcher that nobody watches.
func (w *Watcher) Close() { _ = w.events.Close() } // nothing can be done about a failure

// Watch calls changed whenever the content of the file has become another, until
// ctx ends, which is the clean end. changed runs on Watch's own goroutine.
func (w *Watcher) Watch(ctx context.Context, changed func()) error {
	defer w.Close()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.events.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watching %q: %w", w.path, err)
			}
			due = time.After(settle) // some event was lost, perhaps ours
		case <-w.events.Events:
			if due == nil { // not put off by later events: a busy directory must not hide a change
				due = time.After(settle)
			}
		case <-due:
			due = nil
			w.follow()
			if w.isNew() {
				changed()
			}
		}
	}
}

// follow watches the directory that the file is really in, and no longer the
// one that it was in. Where that cannot be watched, changes of the link itself
// are still seen.
func (w *Watcher) follow() {
	target, err := filepath.EvalSymlinks(w.path)
	if err != nil {
		return // missing for now
	}
	dir := filepath.Dir(target)
	if dir == w.realDir {
		return
	}
	if w.realDir != "" && w.realDir != filepath.Dir(w.path) {
		_ = w.events.Remove(w.realDir) // it may be gone, and with it the watch
	}
	w.realDir = dir
	_ = w.events.Add(dir)
}

// isNew tells whether the file is there and has another content than the last
// time, or cannot be read for another reason: Load is the one to complain.
func (w *Watcher) isNew() bool {
	src, err := readFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		src = []byte(err.Error())
	}
	sum := sha256.Sum256(src)
	if sum == w.sum {
		return false
	}
	w.sum = sum
	return true
}
