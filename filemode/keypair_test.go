package filemode_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"sealcar/filemode"
	"sealcar/test/certtest"
)

// certificate and its key, in PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private := certtest.Key(t)
	own := certtest.Sign(t, &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}, nil, private, private.Public())
	return string(certtest.PEM(own)), string(certtest.KeyPEM(t, private))
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
