package enclave

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sealcar/crypto/volcsign"
)

// The files of the credentials that the enclave accepts; an operator may put
// own ones there before a start.
const (
	fileAPIKey    = "api-key"
	fileAccessKey = "ak"
	fileSecretKey = "sk"
)

// minCredential keeps guessable credentials out, in bytes.
const minCredential = 16

// A temporary key is its prefix and then the raw base64url of expiry (8 bytes,
// unix seconds), salt and MAC over both: whoever has the secret can check it,
// and nothing needs to be remembered.
const (
	temporaryPrefix = "sk-enclave-tmp-"
	temporaryInfo   = "sealcar enclave temporary api key"
	expirySize      = 8
	saltSize        = 8
	temporarySize   = expirySize + saltSize + sha256.Size
)

// credentials are what the enclave accepts. Immutable.
type credentials struct {
	apiKey, accessKey, secretKey string
	temporary                    []byte // MAC key of temporary API keys; another secret key makes them void
}

func loadCredentials(dir *stateDir) (*credentials, error) {
	c := &credentials{}
	for _, f := range []struct {
		name   string
		value  *string
		create func() string
	}{
		{fileAPIKey, &c.apiKey, func() string { return "sk-enclave-" + rand.Text() }},
		{fileAccessKey, &c.accessKey, func() string { return "AKLT" + rand.Text() }},
		{fileSecretKey, &c.secretKey, func() string { return base64.StdEncoding.EncodeToString([]byte(rand.Text())) }},
	} {
		data, err := dir.readOrCreate(f.name, func() ([]byte, error) { return []byte(f.create() + "\n"), nil })
		if err != nil {
			return nil, err
		}
		if *f.value = strings.TrimSpace(string(data)); len(*f.value) < minCredential {
			return nil, dir.unusable(f.name, fmt.Errorf("it holds fewer than %d characters; remove it to have one made", minCredential))
		}
	}
	var err error
	if c.temporary, err = hkdf.Key(sha256.New, []byte(c.secretKey), nil, temporaryInfo, sha256.Size); err != nil {
		return nil, fmt.Errorf("deriving the key of temporary API keys: %w", err)
	}
	return c, nil
}

// verifier checks OpenAPI signatures against the one access key there is.
func (c *credentials) verifier(o Options) *volcsign.Verifier {
	return &volcsign.Verifier{
		Secret:  func(accessKey string) (string, bool) { return c.secretKey, equal(accessKey, c.accessKey) },
		Region:  o.Region,
		Service: openAPIService,
		Now:     o.Now,
	}
}

// accept says why a request's API key is not good enough, or nil.
func (c *credentials) accept(h http.Header, now time.Time) error {
	scheme, key, _ := strings.Cut(h.Get("Authorization"), " ")
	switch {
	case key == "":
		return errors.New("the request has no API key; send Authorization: Bearer KEY")
	case !strings.EqualFold(scheme, "Bearer"):
		return errors.New("the Authorization header is not of the form Bearer KEY")
	case equal(key, c.apiKey):
		return nil
	default:
		return c.acceptTemporary(key, now)
	}
}

func (c *credentials) acceptTemporary(key string, now time.Time) error {
	unknown := errors.New("the API key is not one of this enclave's; the right one is in its state directory, file " + fileAPIKey)
	encoded, ok := strings.CutPrefix(key, temporaryPrefix)
	if !ok {
		return unknown
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != temporarySize {
		return unknown
	}
	payload, tag := raw[:expirySize+saltSize], raw[expirySize+saltSize:]
	if !hmac.Equal(tag, c.tag(payload)) {
		return unknown
	}
	if uint64(max(now.Unix(), 0)) >= binary.BigEndian.Uint64(payload) {
		return errors.New("the temporary API key has expired; get another by GetApiKey")
	}
	return nil
}

// temporaryKey makes an API key that is good until expiry, to the second.
func (c *credentials) temporaryKey(expiry time.Time) string {
	payload := binary.BigEndian.AppendUint64(nil, uint64(max(expiry.Unix(), 0)))
	payload = append(payload, rand.Text()[:saltSize]...)
	return temporaryPrefix + base64.RawURLEncoding.EncodeToString(append(payload, c.tag(payload)...))
}

func (c *credentials) tag(payload []byte) []byte {
	h := hmac.New(sha256.New, c.temporary)
	h.Write(payload)
	return h.Sum(nil)
}

// equal compares in a time that tells nothing, not even the length.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
