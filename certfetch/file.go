package certfetch

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/filemode"
	"sealcar/livefile"
)

// lookEvery is how often the file is looked at for changes, at most: it is asked
// about at each request.
const lookEvery = time.Second

// FileSource reads the chain from a PEM file, leaf first, for every model alike.
// A Cache sees that the file has changed, be it written, renamed into place, or
// swapped as Kubernetes does with a mounted Secret, and reads it again; until
// what is read can be trusted the old certificate serves on.
type FileSource struct {
	Path string
	Now  func() time.Time // nil = time.Now

	mu      sync.Mutex
	looked  time.Time
	seen    livefile.State
	version uint64
}

// Version changes when the file does.
func (s *FileSource) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if since := now.Sub(s.looked); s.version == 0 || since < 0 || since >= lookEvery {
		s.look(now)
	}
	return fmt.Sprint(s.version)
}

func (s *FileSource) look(now time.Time) {
	state := livefile.Look(s.Path)
	if s.version == 0 || !state.Equal(s.seen) {
		s.version++
	}
	s.seen, s.looked = state, now
}

func (s *FileSource) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Fetch implements Source (ark-v1, "Getting the certificate", C).
func (s *FileSource) Fetch(context.Context, ark.Query) ([]*x509.Certificate, error) {
	text, err := filemode.ReadTrusted(s.Path, maxPEM)
	if err != nil {
		return nil, s.unavailable(err)
	}
	chain, err := ParseChain(text)
	if err != nil {
		return nil, s.unavailable(err)
	}
	return chain, nil
}

func (s *FileSource) unavailable(cause error) error {
	return &apierror.Error{
		Status:  http.StatusServiceUnavailable,
		Code:    "certificate_unavailable",
		Message: "sealcar could not read the endpoint certificate from " + s.Path + "; check certificate.file",
		Cause:   cause,
	}
}
