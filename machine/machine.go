package machine

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Options say where Find looks. Getenv is required.
type Options struct {
	Getenv func(key string) string
	// Share is the part of the container's memory that is this process's; 0
	// means 0.9: the rest is for what the runtime does not count, such as the
	// kernel's buffers of our connections.
	Share float64

	Container  func() (bytes uint64, err error) // its memory limit; nil means the process's cgroup, v1 or v2, with those above it
	Runtime    func(limit int64) int64          // nil means debug.SetMemoryLimit
	Descriptor func() int64                     // how many there may be, 0 if not known; nil means RLIMIT_NOFILE
}

// Found is what this process may use; 0 where no limit is known.
type Found struct {
	Memory int64  // bytes that the runtime keeps to
	From   string // who says so: GOMEMLIMIT, cgroup, or "" for nobody
	Files  int64  // descriptors
}

// defaultShare leaves a tenth to the kernel and to the program's own pages.
const defaultShare = 0.9

// Find gives the limits of this process. Unless GOMEMLIMIT has told the runtime,
// it sets the runtime's soft memory limit to the process's share of what the
// container has: the collector then works harder before the kernel ends the
// process. An error means that a limit may be there but could not be read; what
// was found holds all the same.
func Find(o Options) (Found, error) {
	o.complete()
	found := Found{Files: o.Descriptor()}
	if o.Getenv("GOMEMLIMIT") != "" {
		if limit := o.Runtime(-1); limit < math.MaxInt64 { // a negative limit only asks
			found.Memory, found.From = limit, "GOMEMLIMIT"
		}
		return found, nil
	}
	limit, err := o.Container()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
		return found, nil
	case err != nil:
		return found, fmt.Errorf("reading the memory limit of the cgroup: %w", err)
	case limit >= math.MaxInt64: // another way to say none
		return found, nil
	}
	found.Memory, found.From = max(1, int64(float64(limit)*o.Share)), "cgroup"
	o.Runtime(found.Memory)
	return found, nil
}

func (o *Options) complete() {
	if o.Share == 0 {
		o.Share = defaultShare
	}
	if o.Container == nil {
		o.Container = memlimit.FromCgroup
	}
	if o.Runtime == nil {
		o.Runtime = debug.SetMemoryLimit
	}
	if o.Descriptor == nil {
		o.Descriptor = descriptors
	}
}
