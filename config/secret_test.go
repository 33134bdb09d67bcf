package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
)

// secretKeys are the keys that name files with secrets, each in a configuration
// that holds %s in its place.
func secretKeys() map[string]string {
	const route = "routes: [{name: a, hosts: [a.example], "
	return map[string]string{
		"routes[0].credentials.api_key_file":        route + "credentials: {source: file, api_key_file: %s}}]",
		"routes[0].credentials.access_key_file":     route + "credentials: {source: openapi, access_key_file: %s, secret_key_file: sk}}]",
		"routes[0].credentials.secret_key_file":     route + "credentials: {source: openapi, secret_key_file: %s, access_key_file: ak}}]",
		"routes[0].credentials.security_token_file": route + "credentials: {source: openapi, security_token_file: %s, access_key_file: ak, secret_key_file: sk}}]",
		"routes[0].certificate.access_key_file":     route + "certificate: {source: openapi, access_key_file: %s, secret_key_file: sk}}]",
		"routes[0].certificate.secret_key_file":     route + "certificate: {source: openapi, secret_key_file: %s, access_key_file: ak}}]",
		"routes[0].certificate.security_token_file": route + "certificate: {source: openapi, security_token_file: %s, access_key_file: ak, secret_key_file: sk}}]",
		"routes[0].upstream_proxy_auth_file":        route + "upstream_proxy: http://proxy.example, upstream_proxy_auth_file: %s}]",
		"routes[0].upstream_tls.client_key_file":    route + "upstream_tls: {client_key_file: %s, client_cert_file: c}}]",
		"interception.ca_key_file":                  "interception: {ca_key_file: %s, ca_cert_file: c}",
	}
}

func TestT61_ASecretInPlaceOfItsFileIsRefusedAndNotShown(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{
		"an OpenAI key":         "sk-proj-canary40817canary40817",
		"an access key":         "AKLTcanary40817canary40817",
		"an STS access key":     "AKTPcanary40817canary40817",
		"an Ark API key":        "0c4a4a40-8170-4cab-8817-00ca4a4a4081",
		"a secret key":          "TnpBMWNhbmFyeTQwODE3Y2FuYXJ5NDA4MTc=",
		"a token with slashes":  "Canary40817/canary40817+canary40817==",
		"user and password":     "user:canary40817",
		"a password alone":      ":canary40817",
		"a PEM key":             "-----BEGIN PRIVATE KEY-----\\ncanary40817\\n-----END PRIVATE KEY-----",
		"a PEM key on one line": "-----BEGIN PRIVATE KEY-----canary40817-----END PRIVATE KEY-----",
	}
	for key, text := range secretKeys() {
		for name, secret := range secrets {
			environ := []string{"HOME=/home/user", "SEALCAR_CONFIG_YAML=" + strings.ReplaceAll(text, "%s", `"`+secret+`"`)}
			_, err := config.Load(config.Source{Environ: environ, Dir: "/srv/dir"})
			if err == nil || !strings.Contains(err.Error(), key+": looks like the secret itself") {
				t.Errorf("%s, %s: got %v", key, name, err)
			}
			for _, part := range []string{"40817", secret[:12]} {
				if err != nil && strings.Contains(err.Error(), part) {
					t.Errorf("%s, %s: %q shows it", key, name, err)
				}
			}
		}
	}
}

func TestT61_AKeyInPlaceOfItsFileInAVariableIsNotShown(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{Dir: "/srv/dir", Environ: []string{
		"HOME=/home/user", "SEALCAR_INTERCEPTION_CA_CERT_FILE=c",
		"SEALCAR_INTERCEPTION_CA_KEY_FILE=-----BEGIN PRIVATE KEY-----\ncanary40817\n-----END PRIVATE KEY-----",
	}})
	if err == nil || !strings.Contains(err.Error(), "SEALCAR_INTERCEPTION_CA_KEY_FILE): looks like the secret itself") || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func TestNamesOfFilesAreNotTakenForSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"api-key", "sk", "ak", "sk-file", "sk.txt", "sk-openai-production-key.txt", "keys/ark-production-api-key-number-2",
		"/run/secrets/AKLTcanary40817canary40817", "./sk-proj-canary40817canary40817", "../0c4a4a40-8170-4cab-8817-00ca4a4a4081",
		"/etc/user:password", "client.key", "./user:name",
	} {
		for key, text := range secretKeys() {
			environ := []string{"HOME=/home/user", "SEALCAR_CONFIG_YAML=" + fmt.Sprintf(text, name)}
			if _, err := config.Load(config.Source{Environ: environ, Dir: "/srv/dir"}); err != nil {
				t.Errorf("%s: %s: %v", key, name, err)
			}
		}
	}
}

func TestT61_AConfigurationThatEverybodyMayChangeIsRefused(t *testing.T) {
	t.Parallel()
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		path := filepath.Join(t.TempDir(), "sealcar.yaml")
		if err := os.WriteFile(path, []byte("egress: {default: deny}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(config.Source{Path: path, Environ: []string{"HOME=/home/user"}})
		if (err == nil) != want {
			t.Errorf("%#o: got %v", mode, err)
		}
		if err != nil && (!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), fmt.Sprintf("%#o", mode)) || !strings.Contains(err.Error(), "chmod o-w")) {
			t.Errorf("%#o: %q does not tell what to do", mode, err)
		}
	}
}
