package certfetch

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"

	"sealcar/crypto/ark"
)

// Source gets an endpoint's certificate from where it is published. What it
// returns is not verified: leaf first, then whatever chain came with it. Its
// errors are *apierror.Error. Safe for concurrent use.
type Source interface {
	Fetch(ctx context.Context, q ark.Query) ([]*x509.Certificate, error)
}

// perCredential is a Source that fetches with the request's own credential.
// Its answers about a credential (401, 403, 404) concern nobody but the caller
// who brought it, so the Cache neither shares nor remembers them.
type perCredential interface {
	// CheckCredential refuses a query that Fetch would refuse without sending
	// anything. The Cache asks before it looks, so that a request's fate does
	// not depend on what others have asked before.
	CheckCredential(q ark.Query) error
}

// versioned is a Source that can tell cheaply whether Fetch would give something
// else by now: then its Version differs. The Cache asks at each request.
type versioned interface {
	Version() string
}

// traits tells what a Source can do beyond fetching. A Chain can do what any of
// its members can.
func traits(s Source) (credential perCredential, version func() string) {
	members := []Source{s}
	if chain, ok := s.(*Chain); ok {
		members = members[:0]
		for _, m := range chain.Members {
			members = append(members, m.Source)
		}
	}
	for _, m := range members {
		if _, ok := m.(perCredential); ok {
			credential = s.(perCredential)
		}
		if _, ok := m.(versioned); ok {
			version = s.(versioned).Version
		}
	}
	return credential, version
}

// encode is the body of a question about a model's certificate.
func encode(model string, body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("asking for the certificate of %s: %w", name(model), err)
	}
	return b, nil
}
