package certfetch

import (
	"context"
	"crypto/x509"

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

// aiccType is the "type" that asks either certificate endpoint for an AICC
// certificate (ark-v1, "Getting the certificate").
const aiccType = "AICCv0.1"
