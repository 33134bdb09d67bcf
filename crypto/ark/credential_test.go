package ark_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/exchange"
)

func TestCredentialsAreForRequestsWithoutAKey(t *testing.T) {
	t.Parallel()
	keys := keyring{"ep-1": "sk-of-ep-1", "": "sk-any"}
	tests := map[string]struct {
		method, path, body, own string
		replace                 bool
		want                    string
	}{
		"a chat without a key":           {http.MethodPost, chatPath, secretChat, "", false, "Bearer sk-of-ep-1"},
		"another scheme is none":         {http.MethodPost, chatPath, secretChat, "Basic YTpi", false, "Bearer sk-of-ep-1"},
		"its own key wins":               {http.MethodPost, chatPath, secretChat, "Bearer sk-own", false, "Bearer sk-own"},
		"unless it is to be replaced":    {http.MethodPost, chatPath, secretChat, "Bearer sk-own", true, "Bearer sk-of-ep-1"},
		"models":                         {http.MethodGet, "/api/v3/models", "", "", false, "Bearer sk-any"},
		"models with a key":              {http.MethodGet, "/api/v3/models", "", "Bearer sk-own", false, "Bearer sk-own"},
		"what may pass in clear":         {http.MethodPost, "/api/v3/embeddings", "{}", "", false, "Bearer sk-any"},
		"none at hand, an own one stays": {http.MethodPost, chatPath, strings.Replace(secretChat, "ep-1", "ep-2", 1), "Bearer sk-own", true, "Bearer sk-own"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, e.sealing(t, "application/json", noAnswer))
			if test.path != chatPath {
				up = newRecorder(t, respond("application/json", noAnswer))
			}
			req, _ := post(t, up.URL, test.path, test.body)
			req.Method = test.method
			req.Header.Del("Authorization")
			if test.own != "" {
				req.Header.Set("Authorization", test.own)
			}
			certificates := &rotation{old: e.cert, today: e.cert}
			transport := &ark.Transport{Base: up.Client().Transport, Certificates: certificates, Credentials: keys, ReplaceCredentials: test.replace, UnsafePlaintextPaths: []string{"/api/v3/embeddings"}}
			if status, _, err := roundTrip(transport, req); err != nil || status != 200 {
				t.Fatal(status, err)
			}
			if got := up.only(t).header.Values("Authorization"); len(got) != 1 || got[0] != test.want {
				t.Errorf("Authorization %q, want %q", got, test.want)
			}
			if got := req.Header.Get("Authorization"); got != test.own {
				t.Errorf("the application's own request was changed: %q", got)
			}
		})
	}
}

// newKeys are ark.Credentials whose key has been replaced, if there is a new one.
type newKeys struct {
	old, today string
	err        error
	asked      *atomic.Int64
}

func (k newKeys) Credential(context.Context, string) (string, error) { return k.old, nil }

func (k newKeys) Renew(_ context.Context, _, stale string) (string, bool, error) {
	k.asked.Add(1)
	return k.today, k.today != stale, k.err
}

func TestAKeyOfOursThatIsRefusedIsReplacedOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		today, own  string
		err         error
		refusal     int
		asked, sent int
		status      int
	}{
		"a new key":             {"sk-new", "", nil, 401, 1, 2, 200},
		"a new key no better":   {"sk-bad", "", nil, 401, 1, 2, 401},
		"no new key":            {"sk-old", "", nil, 401, 1, 1, 401},
		"nobody to ask":         {"sk-new", "", errors.New("outage"), 401, 1, 1, 401},
		"the request's own key": {"sk-new", "sk-own", nil, 401, 0, 1, 401},
		"another refusal":       {"sk-new", "", nil, 403, 0, 1, 403},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			good := e.sealing(t, "application/json", noAnswer)
			up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "Bearer sk-new" {
					good.ServeHTTP(w, r)
					return
				}
				answer{test.refusal, "application/json", `{"error":{"code":"Refused"}}`}.ServeHTTP(w, r)
			}))
			keys := newKeys{"sk-old", test.today, test.err, new(atomic.Int64)}
			certificates := &rotation{old: e.cert, today: e.cert}
			req, record := post(t, up.URL, chatPath, secretChat)
			if req.Header.Del("Authorization"); test.own != "" {
				req.Header.Set("Authorization", "Bearer "+test.own)
			}
			status, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates, Credentials: keys}, req)
			seen := up.requests()
			if err != nil || status != test.status || int(keys.asked.Load()) != test.asked || len(seen) != test.sent || record.Retried != (test.sent == 2) {
				t.Fatalf("got %d, %v; asked %d times, sent %d, retried %t", status, err, keys.asked.Load(), len(seen), record.Retried)
			}
			if test.sent == 2 {
				if seen[0].header.Get("X-Session-Token") == seen[1].header.Get("X-Session-Token") {
					t.Error("the second attempt has the session of the first")
				}
				if q := certificates.renews[0]; q.Credential != test.today {
					t.Errorf("the certificate was asked for with %q", q.Credential)
				}
			}
		})
	}
}

func TestWithoutACredentialNothingIsSent(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	up := newRecorder(t, respond("application/json", noAnswer))
	refused := errors.New("no key for that")
	for path, body := range map[string]string{chatPath: secretChat, "/api/v3/models/ep-9": ""} {
		req, record := post(t, up.URL, path, body)
		if body == "" {
			req.Method = http.MethodGet
		}
		req.Header.Del("Authorization")
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Credentials: failing{refused}}, req)
		if !errors.Is(err, refused) || record.Treatment != exchange.Refused {
			t.Errorf("%s: got %v, treatment %q", path, err, record.Treatment)
		}
	}
	req, _ := post(t, up.URL, chatPath, secretChat)
	req.Header.Del("Authorization")
	_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Credentials: keyring{}}, req)
	wantCode(t, err, 401, "missing_api_key", "Authorization")
	if n := len(up.requests()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
}

// keyring is an ark.Credentials with a key for each model.
type keyring map[string]string

func (k keyring) Credential(_ context.Context, model string) (string, error) { return k[model], nil }

func (k keyring) Renew(_ context.Context, model, stale string) (string, bool, error) {
	return k[model], k[model] != stale, nil
}

type failing struct{ err error }

func (f failing) Renew(context.Context, string, string) (string, bool, error) {
	return "", false, f.err
}

func (f failing) Credential(context.Context, string) (string, error) { return "", f.err }
