package ark

import (
	"crypto/fips140"
	"errors"
)

// errFIPSOnly: in that mode crypto/cipher takes no nonce from its caller, for
// FIPS 140-3 says in which ways one may come about (implementation guidance C.H).
var errFIPSOnly = errors.New("GODEBUG=fips140=only forbids AES-GCM with a nonce that is not random, and ark-v1 derives its nonce from the key agreement, so nothing could be sealed; GODEBUG=fips140=on uses the same module and permits it")

// Available says why this process cannot speak the protocol, or nil. Whoever
// serves by it asks first, so that not every request has to fail.
func Available() error {
	if fips140.Enforced() {
		return errFIPSOnly
	}
	return nil
}
