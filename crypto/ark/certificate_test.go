package ark_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"sealcar/crypto/ark"
	"sealcar/test/certtest"
)

// leaf is a self-signed certificate: whom it chains to is not ark's concern.
func leaf(t *testing.T, key crypto.Signer, names ...string) *x509.Certificate {
	t.Helper()
	return certtest.Sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(0x1bc6),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<32, 0),
		DNSNames:     names,
	}, nil, key, key.Public())
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestNewCertificate_TakesTheKey(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t, elliptic.P256())
	cert, err := ark.NewCertificate(leaf(t, key), false)
	if err != nil {
		t.Fatal(err)
	}
	want, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	if !cert.PublicKey.Equal(want.PublicKey()) {
		t.Error("another key")
	}
	client, err := ark.NewSession(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ark.AcceptSession(want, client.Token()); err != nil {
		t.Error(err)
	}
}

func TestNewCertificate_VendorLeaf(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/vendor-leaf.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	vendor, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ark.NewCertificate(vendor, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ark.NewSession(cert.PublicKey); err != nil {
		t.Error(err)
	}
	if cert.RingID != "" || cert.KeyID != "" {
		t.Errorf("ring %q, key %q", cert.RingID, cert.KeyID)
	}
	if _, err := ark.NewCertificate(vendor, true); err == nil {
		t.Error("taken for AICC, though it has no names")
	}
}

func TestT7_CertificatesWithOtherKeys(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-224": ecdsaKey(t, elliptic.P224()), "P-384": ecdsaKey(t, elliptic.P384()),
		"P-521": ecdsaKey(t, elliptic.P521()), "RSA": rsaKey, "Ed25519": edKey,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, err := ark.NewCertificate(leaf(t, key, "ring.r", "key.k"), true)
			if err == nil {
				t.Fatal("taken")
			}
			if cert != nil || !strings.Contains(err.Error(), "1bc6") {
				t.Errorf("certificate %v, error %q does not name the serial number", cert, err)
			}
		})
	}
}

func TestT15_NamesOfAICC(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t, elliptic.P256())
	tests := map[string]struct {
		names     []string
		ring, key string // "" = refused
	}{
		"both":            {[]string{"ring.ring-1", "key.key-1"}, "ring-1", "key-1"},
		"dots inside":     {[]string{"ring.a.b", "key.c.d"}, "a.b", "c.d"},
		"none":            {nil, "", ""},
		"ring alone":      {[]string{"ring.r"}, "", ""},
		"key alone":       {[]string{"key.k"}, "", ""},
		"swapped":         {[]string{"key.k", "ring.r"}, "", ""},
		"ring twice":      {[]string{"ring.r", "ring.s"}, "", ""},
		"one more":        {[]string{"ring.r", "key.k", "key.l"}, "", ""},
		"another between": {[]string{"ring.r", "example.com", "key.k"}, "", ""},
		"empty ring":      {[]string{"ring.", "key.k"}, "", ""},
		"empty key":       {[]string{"ring.r", "key."}, "", ""},
		"no dot":          {[]string{"ringr", "keyk"}, "", ""},
		"upper case":      {[]string{"RING.r", "KEY.k"}, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Parsing refuses some of these names, so they are put in afterwards.
			cert := leaf(t, key)
			cert.DNSNames = test.names
			got, err := ark.NewCertificate(cert, true)
			switch {
			case test.ring == "" && err == nil:
				t.Error("taken")
			case test.ring == "":
				return
			case err != nil:
				t.Error(err)
			case got.RingID != test.ring || got.KeyID != test.key:
				t.Errorf("ring %q, key %q", got.RingID, got.KeyID)
			}
		})
	}
}

// Without AICC the names mean nothing.
func TestT15_NamesAreIgnoredWithoutAICC(t *testing.T) {
	t.Parallel()
	cert, err := ark.NewCertificate(leaf(t, ecdsaKey(t, elliptic.P256()), "ring.r", "key.k"), false)
	if err != nil || cert.RingID != "" || cert.KeyID != "" {
		t.Errorf("%+v, %v", cert, err)
	}
}
