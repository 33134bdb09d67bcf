//go:build !unix

package hardening

// DenyCores does nothing here: there is no such limit.
func DenyCores() error { return nil }
