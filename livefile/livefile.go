package livefile

import (
	"io/fs"
	"os"
	"slices"
	"sync"
)

// Source is where a value comes from.
type Source[T any] struct {
	Paths  []string          // the files
	Read   func() (T, error) // reads them all; its errors name them
	Report func(error)       // told of each new error of Read, once; nil: nobody is
}

// Value is what the files of a Source hold. Make it with New. Safe for concurrent
// use.
type Value[T any] struct {
	source Source[T]

	mu   sync.Mutex
	good T
	err  error // of the last read
	seen State // of the files at the last read
}

// New reads the files for the first time.
func New[T any](s Source[T]) (*Value[T], error) {
	v := &Value[T]{source: s, seen: Look(s.Paths...)}
	if v.good, v.err = s.Read(); v.err != nil {
		return nil, v.err
	}
	return v, nil
}

// Get is what the files hold now. If that cannot be read (files that go together
// are written one after the other), it is the last that could, with the error.
func (v *Value[T]) Get() (T, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := Look(v.source.Paths...) // before the read: a change between the two is seen the next time
	if v.err == nil && now.Equal(v.seen) {
		return v.good, nil
	}
	next, err := v.source.Read() // also what failed and has not changed: it may be allowed now
	switch {
	case err == nil:
		v.good = next
	case v.source.Report != nil && (v.err == nil || v.err.Error() != err.Error()):
		v.source.Report(err)
	}
	v.seen, v.err = now, err
	return v.good, err
}

// State is what tells a file that was written, or exchanged, from the one before.
type State []fs.FileInfo // nil for a file that is not there

// Look is the state of files now.
func Look(paths ...string) State {
	found := make(State, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			found[i] = info
		}
	}
	return found
}

// Equal tells whether the files are still the same.
func (s State) Equal(t State) bool { return slices.EqualFunc(s, t, same) }

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
