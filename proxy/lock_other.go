//go:build !unix

package proxy

// lockDir does nothing here: two first starts at the same moment may each make
// a CA, and applications of one must be restarted.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }
