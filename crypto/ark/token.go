package ark

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
)

// A token is the standard base64 of an uncompressed point, 04 || X || Y (SEC 1,
// section 2.3.3).
const tokenSize = 88 // characters, for 65 bytes

// CheckToken says why token is not a session token, or nil: the strict standard
// base64 of a valid uncompressed P-256 point.
func CheckToken(token string) error {
	_, err := decodeToken(token)
	return err
}

func encodeToken(ephemeral *ecdh.PublicKey) string {
	return base64.StdEncoding.EncodeToString(ephemeral.Bytes())
}

func decodeToken(token string) (*ecdh.PublicKey, error) {
	if len(token) != tokenSize {
		return nil, fmt.Errorf("session token: it has %d characters, not %d", len(token), tokenSize)
	}
	point, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errors.New("session token: it is not standard base64")
	}
	// NewPublicKey refuses compressed points, infinity, points off the curve, and
	// what is too short because the decoder skipped line breaks in it.
	key, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, errors.New("session token: it is not an uncompressed point of P-256")
	}
	return key, nil
}
