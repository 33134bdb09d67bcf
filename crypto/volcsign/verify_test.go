package volcsign_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sealcar/crypto/volcsign"
)

const (
	accessKey = "AKLT-test"
	secretKey = "secret-of-the-test"
	address   = "https://open.volcengineapi.com/?Action=GetApiKey&Version=2024-01-01"
	content   = `{"Id":"ep-1"}`
)

func noon() time.Time { return time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC) }

func signer() *volcsign.Signer {
	return &volcsign.Signer{
		Credentials: volcsign.Credentials{AccessKey: accessKey, SecretKey: secretKey, SessionToken: "session-token"},
		Region:      "cn-beijing", Service: "ark", Now: noon,
	}
}

func verifier() *volcsign.Verifier {
	return &volcsign.Verifier{
		Secret: func(key string) (string, bool) { return secretKey, key == accessKey },
		Region: "cn-beijing", Service: "ark", Now: noon,
	}
}

// signed is a request with every kind of header that a signature covers.
func signed(t *testing.T, s *volcsign.Signer) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Custom", "value")
	if err := s.Sign(req, []byte(content)); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestVerify_AcceptsOverTheWire(t *testing.T) {
	t.Parallel()
	results := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			_, err = verifier().Verify(req, body)
		}
		results <- err
	}))
	t.Cleanup(server.Close)

	target := server.URL + "/?Version=2024-01-01&Action=A+b%20c&z=%E4%BD%A0&a=2&a=1"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", " application/json ")
	req.Header["X-Twice"] = []string{"one ", "two"}
	if err := signer().Sign(req, []byte(content)); err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-results; err != nil {
		t.Error(err)
	}
}

func TestVerify_GivesTheAccessKey(t *testing.T) {
	t.Parallel()
	got, err := verifier().Verify(signed(t, signer()), []byte(content))
	if err != nil || got != accessKey {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestVerify_RefusesWhatWasChangedAfterSigning(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*http.Request)
		want   error
	}{
		"method":             {func(r *http.Request) { r.Method = http.MethodPut }, volcsign.ErrSignature},
		"path":               {func(r *http.Request) { r.URL.Path = "/other" }, volcsign.ErrSignature},
		"query value":        {func(r *http.Request) { r.URL.RawQuery += "x" }, volcsign.ErrSignature},
		"query added":        {func(r *http.Request) { r.URL.RawQuery += "&a=b" }, volcsign.ErrSignature},
		"query malformed":    {func(r *http.Request) { r.URL.RawQuery += "&%zz" }, volcsign.ErrMalformed},
		"host":               {func(r *http.Request) { r.Host = "elsewhere.example" }, volcsign.ErrSignature},
		"port":               {func(r *http.Request) { r.Host += ":8443" }, volcsign.ErrSignature},
		"content type":       {set("Content-Type", "text/plain"), volcsign.ErrSignature},
		"signed header":      {set("X-Custom", "other"), volcsign.ErrSignature},
		"header gone":        {set("X-Custom"), volcsign.ErrSignature},
		"header twice":       {set("X-Custom", "value", "value"), volcsign.ErrSignature},
		"session token":      {set("X-Security-Token", "other"), volcsign.ErrSignature},
		"date, same day":     {set("X-Date", "20250601T120001Z"), volcsign.ErrSignature},
		"date, another day":  {set("X-Date", "20250602T120000Z"), volcsign.ErrExpired},
		"date twice":         {set("X-Date", "20250601T120000Z", "20250601T120000Z"), volcsign.ErrMalformed},
		"date with fraction": {set("X-Date", "20250601T120000.5Z"), volcsign.ErrMalformed},
		"date of words":      {set("X-Date", "noon"), volcsign.ErrMalformed},
		"date gone":          {set("X-Date"), volcsign.ErrMissing},
		"body hash":          {set("X-Content-Sha256", strings.Repeat("0", 64)), volcsign.ErrBody},
		"body hash gone":     {set("X-Content-Sha256"), volcsign.ErrMissing},
		"signature":          {edit("Signature=", "Signature=0", 1), volcsign.ErrMalformed},
		"not signed":         {set("Authorization"), volcsign.ErrMissing},
		"signed twice":       {set("Authorization", "a", "b"), volcsign.ErrMalformed},
		"region":             {edit("cn-beijing", "cn-shanghai", 1), volcsign.ErrScope},
		"service":            {edit("/ark/", "/iam/", 1), volcsign.ErrScope},
		"day":                {edit("/20250601/", "/20250531/", 1), volcsign.ErrScope},
		"access key":         {edit(accessKey, "AKLT-other", 1), volcsign.ErrUnknownAccessKey},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := signed(t, signer())
			test.change(req)
			key, err := verifier().Verify(req, []byte(content))
			if !errors.Is(err, test.want) || key != "" {
				t.Errorf("got %q, %v, want %v", key, err, test.want)
			}
		})
	}
}

// set replaces all values of a header, with none by nothing.
func set(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
}

// edit changes the Authorization header.
func edit(old, replacement string, n int) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, n))
	}
}

func TestVerify_RefusesAnotherBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", content + " ", strings.ToUpper(content)} {
		if _, err := verifier().Verify(signed(t, signer()), []byte(body)); !errors.Is(err, volcsign.ErrBody) {
			t.Errorf("body %q: %v", body, err)
		}
	}
}

// Each bit of the signature counts.
func TestVerify_RefusesEveryAlteredSignature(t *testing.T) {
	t.Parallel()
	req := signed(t, signer())
	good := req.Header.Get("Authorization")
	start := strings.Index(good, "Signature=") + len("Signature=")
	for i := start; i < len(good); i++ {
		bad := []byte(good)
		if bad[i]++; bad[i] == '9'+1 || bad[i] == 'f'+1 {
			bad[i] = '0'
		}
		req.Header.Set("Authorization", string(bad))
		if _, err := verifier().Verify(req, []byte(content)); !errors.Is(err, volcsign.ErrSignature) {
			t.Errorf("character %d altered: %v", i-start, err)
		}
	}
}

// A header that the signature leaves out could be changed by anybody.
func TestVerify_RefusesASignatureThatLeavesOutAHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"host;", "x-date", "x-content-sha256;", "content-type;", "x-security-token"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := signed(t, signer())
			auth := req.Header.Get("Authorization")
			list := auth[strings.Index(auth, "SignedHeaders="):strings.Index(auth, ", Signature=")]
			short := strings.TrimSuffix(strings.ReplaceAll(strings.Replace(list, name, "", 1), ";;", ";"), ";")
			if short == list {
				t.Fatalf("%s is not in %s", name, list)
			}
			req.Header.Set("Authorization", strings.Replace(auth, list, short, 1))
			if _, err := verifier().Verify(req, []byte(content)); !errors.Is(err, volcsign.ErrUnsigned) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What proxies add on the way must not break a signature.
func TestVerify_AllowsHeadersAddedOnTheWay(t *testing.T) {
	t.Parallel()
	req := signed(t, signer())
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	req.Header.Set("Via", "1.1 proxy")
	if _, err := verifier().Verify(req, []byte(content)); err != nil {
		t.Error(err)
	}
}

func TestVerify_Authorization(t *testing.T) {
	t.Parallel()
	const (
		cred = "Credential=AK/20250601/cn-beijing/ark/request"
		list = "SignedHeaders=content-type;host;x-content-sha256;x-date;x-security-token"
	)
	sig := "Signature=" + strings.Repeat("0", 64)
	tests := map[string]string{
		"another scheme":        "Bearer token",
		"another algorithm":     "AWS4-HMAC-SHA256 " + cred + ", " + list + ", " + sig,
		"nothing else":          "HMAC-SHA256 ",
		"a member missing":      "HMAC-SHA256 " + cred + ", " + list,
		"a member twice":        "HMAC-SHA256 " + cred + ", " + cred + ", " + list + ", " + sig,
		"another order":         "HMAC-SHA256 " + list + ", " + cred + ", " + sig,
		"scope too short":       "HMAC-SHA256 Credential=AK/20250601/ark/request, " + list + ", " + sig,
		"scope too long":        "HMAC-SHA256 Credential=AK/x/20250601/cn-beijing/ark/request, " + list + ", " + sig,
		"no access key":         "HMAC-SHA256 Credential=/20250601/cn-beijing/ark/request, " + list + ", " + sig,
		"another terminator":    "HMAC-SHA256 Credential=AK/20250601/cn-beijing/ark/aws4_request, " + list + ", " + sig,
		"no signed headers":     "HMAC-SHA256 " + cred + ", SignedHeaders=, " + sig,
		"headers not sorted":    "HMAC-SHA256 " + cred + ", SignedHeaders=x-date;host;x-content-sha256, " + sig,
		"header twice":          "HMAC-SHA256 " + cred + ", SignedHeaders=host;host;x-content-sha256;x-date, " + sig,
		"header in upper case":  "HMAC-SHA256 " + cred + ", SignedHeaders=Host;x-content-sha256;x-date, " + sig,
		"signature too short":   "HMAC-SHA256 " + cred + ", " + list + ", Signature=00",
		"signature of no bytes": "HMAC-SHA256 " + cred + ", " + list + ", Signature=",
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := signed(t, signer())
			req.Header.Set("Authorization", value)
			if _, err := verifier().Verify(req, []byte(content)); !errors.Is(err, volcsign.ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestVerify_Skew(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		skew, off time.Duration
		want      error
	}{
		"default, just inside":      {0, volcsign.DefaultSkew, nil},
		"default, early":            {0, -volcsign.DefaultSkew, nil},
		"default, too late":         {0, volcsign.DefaultSkew + time.Second, volcsign.ErrExpired},
		"default, from the future":  {0, -volcsign.DefaultSkew - time.Second, volcsign.ErrExpired},
		"own skew, inside":          {time.Minute, time.Minute, nil},
		"own skew, outside":         {time.Minute, 61 * time.Second, volcsign.ErrExpired},
		"a year later":              {0, 366 * 24 * time.Hour, volcsign.ErrExpired},
		"own skew over a day's end": {24 * time.Hour, 13 * time.Hour, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := verifier()
			v.Skew, v.Now = test.skew, func() time.Time { return noon().Add(test.off) }
			if _, err := v.Verify(signed(t, signer()), []byte(content)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// An access key without a secret must not be one whose secret is "".
func TestVerify_RefusesAnEmptySecret(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Secret = func(string) (string, bool) { return "", true }
	if _, err := v.Verify(signed(t, signer()), []byte(content)); !errors.Is(err, volcsign.ErrUnknownAccessKey) {
		t.Errorf("got %v", err)
	}
}

func TestVerify_ErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	req := signed(t, signer())
	req.URL.RawQuery = "canary-query=%zz"
	req.Header.Set("X-Security-Token", "canary-token")
	_, err := verifier().Verify(req, []byte(content))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, secret := range []string{"canary", secretKey, accessKey} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %q", secret, err)
		}
	}
}
