//go:build !linux

package socket

import (
	"errors"
	"net"
)

// ErrNoTCP is a connection that cannot be watched.
var ErrNoTCP = errors.New("there is no TCP connection below it")

// Watcher is not available on this system.
type Watcher struct{}

// NewWatcher gives errors.ErrUnsupported.
func NewWatcher() (*Watcher, error) { return nil, errors.ErrUnsupported }

// Watch gives errors.ErrUnsupported.
func (*Watcher) Watch(net.Conn, func()) (stop func(), err error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Watcher) Close() error { return nil }
