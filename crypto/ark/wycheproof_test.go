package ark_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// Vectors of Project Wycheproof; test/vectors/wycheproof/README.md says where
// they are from.

const sessionKeyBytes, nonceBytes, tagBytes = 32, 12, 16

type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// verdict is what each vector has.
type verdict struct {
	ID      int `json:"tcId"`
	Comment string
	Result  string // valid, invalid, acceptable
}

func (v verdict) String() string { return fmt.Sprintf("vector %d (%s)", v.ID, v.Comment) }

// load reads a file of vectors, whose sum must be that of the original.
func load(t *testing.T, name, sum string, into any) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", "..", "test", "vectors", "wycheproof", name+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != sum {
		t.Fatalf("%s is not the original: its SHA-256 is %x", name, got)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// TestT4_WycheproofECDH has the enclave accept each point as a session token. Of
// what a library may accept or not, the protocol refuses: it knows uncompressed
// points alone.
func TestT4_WycheproofECDH(t *testing.T) {
	t.Parallel()
	var file struct {
		TestGroups []struct {
			Tests []struct {
				verdict

				Public, Private, Shared octets
			}
		}
	}
	load(t, "ecdh_secp256r1_ecpoint_test", "648f16d077caf2400d02331ca51f44744c72c799830c8d0595d0b18b6dd9f886", &file)
	count := map[string]int{}
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			count[v.Result]++
			private, err := ecdh.P256().NewPrivateKey(fixed(v.Private))
			if err != nil {
				t.Fatalf("%v: %v", v, err)
			}
			session, err := ark.AcceptSession(private, base64.StdEncoding.EncodeToString(v.Public))
			if (err == nil) != (v.Result == "valid") {
				t.Errorf("%v: is %s, got error %v", v, v.Result, err)
			}
			if err != nil {
				continue
			}
			if okm := keys(t, v.Shared); !bytes.Equal(session.Nonce(), okm[sessionKeyBytes:]) {
				t.Errorf("%v: another session than of the shared secret", v)
			}
		}
	}
	wantCounts(t, count, map[string]int{"valid": 330, "invalid": 24, "acceptable": 1})
}

// fixed is a private key in 32 bytes: the vectors have them as signed integers.
func fixed(b []byte) []byte {
	b = bytes.TrimLeft(b, "\x00")
	return append(make([]byte, sessionKeyBytes-len(b)), b...)
}

// keys are the session key and nonce of a shared secret, by RFC 5869.
func keys(t *testing.T, shared []byte) []byte {
	t.Helper()
	okm, err := hkdf.Key(sha256.New, shared, nil, "", sessionKeyBytes+nonceBytes)
	if err != nil {
		t.Fatal(err)
	}
	return okm
}

// TestT4_WycheproofAESGCM seals and opens under the key and nonce of each vector
// of the kind that the protocol uses: 256 bits of key, 96 of nonce, 128 of tag, no
// further data.
func TestT4_WycheproofAESGCM(t *testing.T) {
	t.Parallel()
	var file struct {
		TestGroups []struct {
			IVSize, KeySize, TagSize int
			Tests                    []struct {
				verdict

				Key, IV, AAD, Msg, CT, Tag octets
			}
		}
	}
	load(t, "aes_gcm_test", "985e5ecc172e181eaf49e89508b9470dcf478002eb7e8559c707eb42dc97dfe7", &file)
	count := map[string]int{}
	for _, group := range file.TestGroups {
		if group.IVSize != nonceBytes*8 || group.KeySize != sessionKeyBytes*8 || group.TagSize != tagBytes*8 {
			continue
		}
		for _, v := range group.Tests {
			if len(v.AAD) > 0 {
				continue
			}
			count[v.Result]++
			session, err := ark.NewSessionWith(v.Key, v.IV)
			if err != nil {
				t.Fatalf("%v: %v", v, err)
			}
			sealed := []byte(base64.StdEncoding.EncodeToString(slices.Concat(v.CT, v.Tag)))
			opened, err := session.Open(nil, sealed)
			if (err == nil) != (v.Result == "valid") || err == nil && !bytes.Equal(opened, v.Msg) {
				t.Errorf("%v: is %s, opened to %x, %v", v, v.Result, opened, err)
			}
			if got := session.Seal(nil, v.Msg); bytes.Equal(got, sealed) != (v.Result == "valid") {
				t.Errorf("%v: is %s, sealed to %s, the vector has %s", v, v.Result, got, sealed)
			}
		}
	}
	wantCounts(t, count, map[string]int{"valid": 21, "invalid": 27})
}

// TestT4_WycheproofHKDF tries the library function that derives session keys.
func TestT4_WycheproofHKDF(t *testing.T) {
	t.Parallel()
	var file struct {
		TestGroups []struct {
			Tests []struct {
				verdict

				IKM, Salt, Info, OKM octets
				Size                 int
			}
		}
	}
	load(t, "hkdf_sha256_test", "bb2b462a38b251cb52a2aede706d6d4b62b26864f4e80c95497507ddb07c5f1e", &file)
	count := map[string]int{}
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			count[v.Result]++
			okm, err := hkdf.Key(sha256.New, v.IKM, v.Salt, string(v.Info), v.Size)
			if (err == nil) != (v.Result == "valid") || err == nil && !bytes.Equal(okm, v.OKM) {
				t.Errorf("%v: is %s, got %x, %v", v, v.Result, okm, err)
			}
		}
	}
	wantCounts(t, count, map[string]int{"valid": 83, "invalid": 3})
}

// TestT4_WycheproofECDSA checks signatures as certificates' are checked.
func TestT4_WycheproofECDSA(t *testing.T) {
	t.Parallel()
	var file struct {
		TestGroups []struct {
			PublicKeyDER octets
			Tests        []struct {
				verdict

				Msg, Sig octets
			}
		}
	}
	load(t, "ecdsa_secp256r1_sha256_test", "182db4f3e230f6f9fa9f800d2a614dede30284b8e8438bbfe1171905402e9332", &file)
	count := map[string]int{}
	for _, group := range file.TestGroups {
		key, err := x509.ParsePKIXPublicKey(group.PublicKeyDER)
		if err != nil {
			t.Fatal(err)
		}
		issuer := &x509.Certificate{PublicKey: key, PublicKeyAlgorithm: x509.ECDSA}
		for _, v := range group.Tests {
			count[v.Result]++
			if err := issuer.CheckSignature(x509.ECDSAWithSHA256, v.Msg, v.Sig); (err == nil) != (v.Result == "valid") {
				t.Errorf("%v: is %s, got %v", v, v.Result, err)
			}
		}
	}
	wantCounts(t, count, map[string]int{"valid": 174, "invalid": 310})
}

// wantCounts sees that no vector was left out.
func wantCounts(t *testing.T, got, want map[string]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("tried %s, want %s", strings.TrimPrefix(fmt.Sprint(got), "map"), strings.TrimPrefix(fmt.Sprint(want), "map"))
	}
}
