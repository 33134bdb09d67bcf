package filemode_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"sealcar/filemode"
)

// certificate and its key, in PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: own}))
}

func TestAKeyPairIsOneOrAnError(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	_, other := certificate(t)
	good, secretKey := file(t, cert, 0o644), file(t, key, 0o600)
	pair, err := filemode.KeyPair{Setting: "tls.", CertFile: good, KeyFile: secretKey}.Read()
	if err != nil || len(pair.Certificate) != 1 {
		t.Fatalf("%v, %v", pair, err)
	}
	for name, test := range map[string]struct{ cert, key, want string }{
		"a key that others read":       {good, file(t, key, 0o644), "reading tls.key_file"},
		"a certificate that all write": {file(t, cert, 0o666), secretKey, "reading tls.cert_file"},
		"no certificate":               {good + ".none", secretKey, "reading tls.cert_file"},
		"another certificate's key":    {good, file(t, other, 0o600), "with key_file"},
		"too long":                     {file(t, cert+strings.Repeat("\n", filemode.MaxPEM), 0o644), secretKey, "over"},
	} {
		pair, err := filemode.KeyPair{Setting: "tls.", CertFile: test.cert, KeyFile: test.key}.Read()
		if err == nil || pair != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v, %v; want %q", name, pair, err, test.want)
		}
	}
}
