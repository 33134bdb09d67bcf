//go:build !linux

package hardening

// HideMemory does nothing here: there is no such attribute. DenyCores does its
// part.
func HideMemory() error { return nil }
