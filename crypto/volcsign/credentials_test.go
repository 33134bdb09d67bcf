package volcsign_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/crypto/volcsign"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsAreReadAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := volcsign.Files{Setting: "certificate", AccessKey: filepath.Join(dir, "ak"), SecretKey: filepath.Join(dir, "sk")}
	refused := func(says ...string) {
		t.Helper()
		got, err := files.Read()
		if err == nil || got != (volcsign.Credentials{}) {
			t.Fatalf("got %+v, %v", got, err)
		}
		for _, part := range says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%q holds a secret", err)
		}
	}
	read := func(want volcsign.Credentials) {
		t.Helper()
		if got, err := files.Read(); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	refused("certificate.access_key_file", files.AccessKey)
	write(t, files.AccessKey, "AK\n")
	write(t, files.SecretKey, " \n")
	refused("certificate.secret_key_file", files.SecretKey, "empty")
	write(t, files.SecretKey, "canary two")
	refused("certificate.secret_key_file", "not one word")
	write(t, files.SecretKey, strings.Repeat("canary", 1<<10))
	refused("certificate.secret_key_file", "over 4096 bytes")
	for _, secret := range []string{"SK1", "SK2"} {
		write(t, files.SecretKey, secret+"\r\n")
		read(volcsign.Credentials{AccessKey: "AK", SecretKey: secret})
	}
	files.SecurityToken = filepath.Join(dir, "token")
	refused("certificate.security_token_file", files.SecurityToken) // a missing one is not none
	for _, token := range []string{"T1", "T2"} {
		write(t, files.SecurityToken, token)
		read(volcsign.Credentials{AccessKey: "AK", SecretKey: "SK2", SessionToken: token})
	}
	if err := os.Chmod(files.SecretKey, 0o604); err != nil {
		t.Fatal(err)
	}
	refused("certificate.secret_key_file", "chmod 600")
}
