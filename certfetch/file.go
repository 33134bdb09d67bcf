package certfetch

import (
	"context"
	"crypto/x509"
	"net/http"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// FileSource reads the chain from a PEM file, leaf first, for every model alike.
// The file is read at each fetch; a Cache's MaxAge is how long a change goes
// unnoticed.
type FileSource struct {
	Path string
}

// Fetch implements Source (ark-v1, "Getting the certificate", C).
func (s *FileSource) Fetch(context.Context, ark.Query) ([]*x509.Certificate, error) {
	text, err := readFile(s.Path, maxPEM)
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
