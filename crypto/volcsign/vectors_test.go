package volcsign_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sealcar/crypto/volcsign"
)

// vector is one request signed by the vendor's own signer; test/vectors/README.md.
type vector struct {
	Name          string            `json:"name"`
	AccessKey     string            `json:"access_key"`
	SecretKey     string            `json:"secret_key"`
	SessionToken  string            `json:"session_token"`
	Region        string            `json:"region"`
	Service       string            `json:"service"`
	Date          time.Time         `json:"date"`
	Method        string            `json:"method"`
	Host          string            `json:"host"`
	Path          string            `json:"path"`
	Query         string            `json:"query"`
	Headers       map[string]string `json:"headers"`
	Body          string            `json:"body"`
	XDate         string            `json:"x_date"`
	ContentHash   string            `json:"x_content_sha256"`
	Authorization string            `json:"authorization"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("../../test/vectors/volcsign.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Requests []vector `json:"requests"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Requests) == 0 {
		t.Fatal("no vectors")
	}
	return file.Requests
}

func (v vector) request(t *testing.T) *http.Request {
	t.Helper()
	url := "https://" + v.Host + v.Path + "?" + v.Query
	req, err := http.NewRequestWithContext(t.Context(), v.Method, url, strings.NewReader(v.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range v.Headers {
		req.Header.Set(name, value)
	}
	return req
}

func (v vector) now() time.Time { return v.Date }

func TestSign_VendorVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			req := v.request(t)
			signer := volcsign.Signer{
				Credentials: volcsign.Credentials{AccessKey: v.AccessKey, SecretKey: v.SecretKey, SessionToken: v.SessionToken},
				Region:      v.Region, Service: v.Service, Now: v.now,
			}
			if err := signer.Sign(req, []byte(v.Body)); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"Authorization":    v.Authorization,
				"X-Date":           v.XDate,
				"X-Content-Sha256": v.ContentHash,
				"X-Security-Token": v.SessionToken,
			} {
				if got := req.Header.Get(name); got != want {
					t.Errorf("%s:\n got %s\nwant %s", name, got, want)
				}
			}
		})
	}
}

func TestVerify_VendorVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			req := v.request(t)
			req.Header.Set("X-Date", v.XDate)
			req.Header.Set("X-Content-Sha256", v.ContentHash)
			req.Header.Set("Authorization", v.Authorization)
			if v.SessionToken != "" {
				req.Header.Set("X-Security-Token", v.SessionToken)
			}
			secret := v.SecretKey
			verifier := volcsign.Verifier{
				Secret: func(string) (string, bool) { return secret, true },
				Region: v.Region, Service: v.Service, Now: v.now,
			}
			if got, err := verifier.Verify(req, []byte(v.Body)); err != nil || got != v.AccessKey {
				t.Errorf("got %q, %v", got, err)
			}
			secret += "x"
			if _, err := verifier.Verify(req, []byte(v.Body)); !errors.Is(err, volcsign.ErrSignature) {
				t.Errorf("with another secret: %v", err)
			}
		})
	}
}
