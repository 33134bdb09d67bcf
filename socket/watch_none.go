//go:build !linux

package socket

import (
	"errors"
	"net"
)

// Watcher is not available on this system.
type Watcher struct{}

// NewWatcher gives errors.ErrUnsupported.
func NewWatcher() (*Watcher, error) { return nil, errors.ErrUnsupported }

// Watch gives errors.ErrUnsupported.
func (*Watcher) Watch(net.Conn, func()) (stop func(), err error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Watcher) Close() error { return nil }
