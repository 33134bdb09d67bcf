package volcsign_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"sealcar/crypto/volcsign"
)

func TestSign_RefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*volcsign.Signer){
		"access key": func(s *volcsign.Signer) { s.AccessKey = "" },
		"secret key": func(s *volcsign.Signer) { s.SecretKey = "" },
		"region":     func(s *volcsign.Signer) { s.Region = "" },
		"service":    func(s *volcsign.Signer) { s.Service = "" },
	}
	for name, remove := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := signer()
			remove(s)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Sign(req, nil); err == nil {
				t.Error("signed")
			}
			if got := req.Header.Get("Authorization"); got != "" {
				t.Errorf("Authorization is %q", got)
			}
		})
	}
}

func TestSign_RefusesAMalformedQuery(t *testing.T) {
	t.Parallel()
	req := &http.Request{URL: &url.URL{Host: "open.volcengineapi.com", RawQuery: "a=1;b=2"}, Header: http.Header{}}
	if err := signer().Sign(req, nil); !errors.Is(err, volcsign.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestSign_DoesNotReadTheBody(t *testing.T) {
	t.Parallel()
	body := bytes.NewReader([]byte(content))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer().Sign(req, []byte(content)); err != nil {
		t.Fatal(err)
	}
	if body.Len() != len(content) {
		t.Errorf("%d of %d bytes are left", body.Len(), len(content))
	}
}
