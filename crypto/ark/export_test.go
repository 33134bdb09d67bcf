package ark

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
)

// Inner state that known-answer tests and tests of cost need.

// NewSessionFrom is NewSession with a given ephemeral key.
func NewSessionFrom(ephemeral *ecdh.PrivateKey, peer *ecdh.PublicKey) (*Session, error) {
	return newSession(ephemeral, peer)
}

// Filling tells whether more are being made for peer.
func (s *Sessions) Filling(peer *ecdh.PublicKey) bool {
	id, _ := identify(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stocks[id].low && len(s.stocks[id].ready) < s.stocks[id].size
}

// SealChat is what becomes of a chat's body under s by the default policy.
func SealChat(s *Session, body []byte) ([]byte, error) {
	chat, err := readChat(body, toSeal, defaultPolicy)
	if err != nil {
		return nil, err
	}
	sealed, _, err := chat.seal(s, body)
	return sealed, err
}

// SealString is Seal for the text of a JSON string.
func (s *Session) SealString(dst, value []byte) ([]byte, error) {
	dst, _, err := s.sealString(dst, value)
	return dst, err
}

// NewSessionWith is a session of a given key, 32 bytes, and nonce, 12.
func NewSessionWith(key, nonce []byte) (*Session, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Session{nonce: [nonceSize]byte(nonce), block: block, aead: aead}, err
}

// Nonce is the session's nonce.
func (s *Session) Nonce() []byte { return s.nonce[:] }

// Ready is how many sessions lie ready for peer, and Keys for how many keys there
// may be some.
func (s *Sessions) Ready(peer *ecdh.PublicKey) int {
	id, _ := identify(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stocks[id]; st != nil {
		return len(st.ready)
	}
	return 0
}

func (s *Sessions) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stocks)
}

// The ways in which a text is refused, by the names the vectors give them.
var (
	ErrBase64 = errBase64
	ErrShort  = errShort
	ErrTag    = errTag
	ErrSplit  = errSplit
)

// CountOpens counts from now on the ciphertexts that s tries with GCM.
func (s *Session) CountOpens() *int {
	counter := &countingAEAD{AEAD: s.aead}
	s.aead = counter
	return &counter.opens
}

type countingAEAD struct {
	cipher.AEAD

	opens int
}

func (c *countingAEAD) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	c.opens++
	return c.AEAD.Open(dst, nonce, ciphertext, aad)
}

// Shortest is the length of the shortest ciphertext that raw begins with, and
// the field multiplications it took to find it.
func (s *Session) Shortest(raw []byte) (n, work int) {
	find := newFinder(s.block, s.nonce)
	n = find.shortest(raw)
	return n, find.work
}

// RequestTable and ReplyTable are the tables of residue.go: places and what
// docs/residue.md calls their class.
func RequestTable() [][2]string { return describe(requestTable) }

func ReplyTable() [][2]string { return describe(replyTable) }

func describe(table []place) (rows [][2]string) {
	for _, p := range table {
		kind := ""
		switch p.class {
		case object, messageList, contentPart, choiceList, choice, message:
			continue // containers
		case secretContent, secretText, imageAddress:
			kind = "sealed"
		case residue:
			kind = "residue"
		case media:
			kind = "content"
		case opaque:
			kind = "ciphertext"
		default:
			kind = "structural"
		}
		rows = append(rows, [2]string{p.path, kind})
	}
	return rows
}

// WithoutBeside is an error document without what it says beside why.
func WithoutBeside(body []byte) (left []byte, isDocument bool) {
	a := attempt{Transport: &Transport{ClearReply: ClearReply{Refuse: true}}}
	found := readFailure(body)
	if !found.isDocument {
		return nil, false
	}
	left, err := a.besideReason(found, body)
	return left, err == nil
}
