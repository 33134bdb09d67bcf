package enclave

import (
	"crypto/ecdh"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// fileRetired keeps the endpoint's former keys that requests may still be sealed
// for: PKCS #8 in PEM, each with the time until when in a PEM header. The newest
// comes first.
const (
	fileRetired = "endpoint-retired.key"
	headerUntil = "Until" // RFC 3339
)

// maxRetired bounds the keys that a request is tried with: each costs a key
// agreement.
const maxRetired = 8

// retiredKey is a key that was the endpoint's.
type retiredKey struct {
	key   *ecdh.PrivateKey
	der   []byte // PKCS #8
	until time.Time
}

// Rotate gives the endpoint a new key, with certificates from the same sub CA.
// Requests sealed for the key before it open for Options.KeyOverlap longer, over
// restarts too. If it fails, the old key stays in force. Another enclave that runs
// on the same directory goes on with the key it has loaded.
func (s *Server) Rotate() error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	dir, err := openStateDir(s.o.StateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	now := s.o.Now()
	// Kept before it is replaced: a crash in between leaves a key too many, not one too few.
	if err := s.retire(dir, now); err != nil {
		return err
	}
	if err := replaceEndpointKey(dir, now); err != nil {
		return err
	}
	p, err := loadPKI(dir, s.o.Names, now, s.misbehaviour.forge)
	if err != nil {
		return err
	}
	s.pki.Store(p)
	s.o.Log.Info().Str("serial", fmt.Sprintf("%x", p.leaf.SerialNumber)).Dur("overlap_ms", s.o.KeyOverlap).Msg("the endpoint has a new key")
	return nil
}

// retire writes the endpoint's key to the former ones that are good still.
func (s *Server) retire(dir *stateDir, now time.Time) error {
	former, err := loadRetired(dir, now)
	if err != nil {
		return err
	}
	if s.o.KeyOverlap > 0 {
		data, err := dir.read(fileEndpoint)
		if err != nil {
			return err
		}
		block, _ := pem.Decode(data) // the key comes first
		retired, err := newRetiredKey(block, now.Add(s.o.KeyOverlap))
		if err != nil {
			return dir.unusable(fileEndpoint, err)
		}
		former = append([]retiredKey{retired}, former...)
	}
	var data []byte
	for _, r := range former[:min(len(former), maxRetired)] {
		data = append(data, pem.EncodeToMemory(&pem.Block{
			Type: "PRIVATE KEY", Bytes: r.der,
			Headers: map[string]string{headerUntil: r.until.UTC().Format(time.RFC3339)},
		})...)
	}
	return dir.replace(fileRetired, data, modePrivate)
}

// loadRetired gives the former keys that are still good.
func loadRetired(dir *stateDir, now time.Time) ([]retiredKey, error) {
	data, err := dir.read(fileRetired)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []retiredKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		until, err := time.Parse(time.RFC3339, block.Headers[headerUntil])
		if err != nil {
			return nil, dir.unusable(fileRetired, fmt.Errorf("a key has no time in its header %s: %w", headerUntil, err))
		}
		r, err := newRetiredKey(block, until)
		if err != nil {
			return nil, dir.unusable(fileRetired, err)
		}
		if now.Before(until) {
			keys = append(keys, r)
		}
	}
	return keys[:min(len(keys), maxRetired)], nil
}

// newRetiredKey takes a P-256 key out of the PEM block of a .key file.
func newRetiredKey(block *pem.Block, until time.Time) (retiredKey, error) {
	id, err := parseIdentity(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	if err != nil {
		return retiredKey{}, err
	}
	key, err := id.key.ECDH()
	if err != nil {
		return retiredKey{}, fmt.Errorf("its private key: %w", err)
	}
	return retiredKey{key: key, der: block.Bytes, until: until}, nil
}

// keys gives ark.Handler the private keys of the endpoint, the one that is handed out first.
func (s *Server) keys() []*ecdh.PrivateKey {
	p, now := s.pki.Load(), s.o.Now()
	keys := append([]*ecdh.PrivateKey{p.endpointKey}, p.accepted...)
	for _, r := range p.retired {
		if now.Before(r.until) {
			keys = append(keys, r.key)
		}
	}
	return keys
}
