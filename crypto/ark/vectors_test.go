package ark_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"sealcar/crypto/ark"
)

// vectors is test/vectors/ark.json; test/vectors/README.md explains it.
type vectors struct {
	Sessions []struct {
		Name      string `json:"name"`
		Server    string `json:"server_private_hex"`
		Ephemeral string `json:"ephemeral_private_hex"`
		Z         string `json:"z_hex"`
		Key       string `json:"key_hex"`
		Nonce     string `json:"nonce_hex"`
		Token     string `json:"token"`
	} `json:"sessions"`
	Sealed []struct {
		Name         string  `json:"name"`
		Session      string  `json:"session"`
		Plaintext    *string `json:"plaintext"`
		PlaintextHex string  `json:"plaintext_hex"`
		Sealed       string  `json:"sealed"`
	} `json:"sealed"`
	Joined []struct {
		Name      string `json:"name"`
		Session   string `json:"session"`
		Plaintext string `json:"plaintext"`
		Sealed    string `json:"sealed"`
	} `json:"joined"`
	Tokens []struct {
		Name    string `json:"name"`
		Token   string `json:"token"`
		Failure string `json:"failure"`
	} `json:"tokens"`
	Refused []struct {
		Name    string `json:"name"`
		Session string `json:"session"`
		As      string `json:"as"`
		Sealed  string `json:"sealed"`
		Failure string `json:"failure"`
	} `json:"refused"`
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	data, err := os.ReadFile("../../test/vectors/ark.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		t.Fatal(err)
	}
	if len(v.Sessions)*len(v.Sealed)*len(v.Joined)*len(v.Tokens)*len(v.Refused) == 0 {
		t.Fatal("a group of vectors is empty")
	}
	return v
}

// both gives the halves of a session of the vectors.
func (v *vectors) both(t testing.TB, name string) (client, enclave *ark.Session) {
	t.Helper()
	for _, s := range v.Sessions {
		if s.Name != name {
			continue
		}
		server := privateKey(t, s.Server)
		client, err := ark.NewSessionFrom(privateKey(t, s.Ephemeral), server.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		enclave, err := ark.AcceptSession(server, s.Token)
		if err != nil {
			t.Fatal(err)
		}
		return client, enclave
	}
	t.Fatalf("the vectors have no session %q", name)
	return nil, nil
}

func privateKey(t testing.TB, scalar string) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P256().NewPrivateKey(unhex(t, scalar))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestT1_SessionsOfTheVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, s := range v.Sessions {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			client, enclave := v.both(t, s.Name)
			for half, session := range map[string]*ark.Session{"client": client, "enclave": enclave} {
				if got := session.Token(); got != s.Token {
					t.Errorf("%s: token %s", half, got)
				}
				if got := hex.EncodeToString(session.Nonce()); got != s.Nonce {
					t.Errorf("%s: nonce %s", half, got)
				}
			}
			shared, err := privateKey(t, s.Ephemeral).ECDH(privateKey(t, s.Server).PublicKey())
			if err != nil || hex.EncodeToString(shared) != s.Z {
				t.Errorf("shared secret %x, %v", shared, err)
			}
			key, err := hkdf.Key(sha256.New, shared, nil, "", 32)
			if err != nil || hex.EncodeToString(key) != s.Key {
				t.Errorf("key %x, %v", key, err)
			}
			if err := ark.CheckToken(s.Token); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestT1_SealedVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, c := range v.Sealed {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			plaintext := unhex(t, c.PlaintextHex)
			if c.Plaintext != nil {
				plaintext = []byte(*c.Plaintext)
			}
			client, enclave := v.both(t, c.Session)
			for half, session := range map[string]*ark.Session{"client": client, "enclave": enclave} {
				if got := session.Seal(nil, plaintext); string(got) != c.Sealed {
					t.Errorf("%s: sealed as %s, want %s", half, got, c.Sealed)
				}
				got, err := session.Open(nil, []byte(c.Sealed))
				if err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("%s: opened as %q, %v", half, got, err)
				}
			}
			if !ark.LooksSealed([]byte(c.Sealed)) {
				t.Error("does not look sealed")
			}
		})
	}
}

func TestT1_JoinedVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, c := range v.Joined {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			client, _ := v.both(t, c.Session)
			got, err := client.OpenJoined(nil, []byte(c.Sealed))
			if err != nil || string(got) != c.Plaintext {
				t.Errorf("opened as %q, %v, want %q", got, err, c.Plaintext)
			}
		})
	}
}

func TestT7_TokensOfTheVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	server := privateKey(t, v.Sessions[0].Server)
	for _, c := range v.Tokens {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if c.Failure != "token" {
				t.Fatalf("failure class %q is unknown", c.Failure)
			}
			if ark.CheckToken(c.Token) == nil {
				t.Error("CheckToken takes it")
			}
			if _, err := ark.AcceptSession(server, c.Token); err == nil {
				t.Error("AcceptSession takes it")
			}
		})
	}
}

func TestT9_RefusedVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	classes := map[string]error{
		"base64": ark.ErrBase64, "short": ark.ErrShort, "tag": ark.ErrTag, "split": ark.ErrSplit,
	}
	for _, c := range v.Refused {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			client, _ := v.both(t, c.Session)
			open := map[string]func(dst, sealed []byte) ([]byte, error){
				"one": client.Open, "joined": client.OpenJoined,
			}[c.As]
			got, err := open([]byte("before"), []byte(c.Sealed))
			if !errors.Is(err, classes[c.Failure]) || !errors.Is(err, ark.ErrOpen) {
				t.Errorf("error %v, want class %s", err, c.Failure)
			}
			if got != nil {
				t.Errorf("gives %q with its error", got)
			}
			wellFormed := c.Failure == "tag" // what has not the form fails before its tag is looked at
			if looks := ark.LooksSealed([]byte(c.Sealed)); c.As == "one" && looks != wellFormed {
				t.Errorf("LooksSealed is %v", looks)
			}
		})
	}
}
