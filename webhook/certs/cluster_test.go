package certs_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sealcar/webhook/certs"
)

const (
	secretPath        = "/api/v1/namespaces/sealcar-system/secrets/webhook-tls"
	configurationPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/injector"
	token             = "the-token"
)

// apiServer has two objects, and changes them as a real one does: what is named,
// and only from the latest version. test/kube has a real one.
type apiServer struct {
	*httptest.Server
	dir string // a service account

	mu      sync.Mutex
	secret  map[string][]byte
	bundles map[string][]byte // by webhook
	version map[string]int    // by path
	patches int
	before  func(*http.Request) // called before each request, without the lock; nil: nothing
	answer  http.HandlerFunc    // in place of all that; nil: none
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	a := &apiServer{bundles: map[string][]byte{"namespaces": nil, "pods": nil}, version: map[string]int{}, dir: t.TempDir()}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.Close)
	write(t, filepath.Join(a.dir, "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})))
	write(t, filepath.Join(a.dir, "token"), token+"\n")
	return a
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// getenv is the environment of a pod.
func (a *apiServer) getenv(key string) string {
	u, _ := url.Parse(a.URL)
	host, port, _ := net.SplitHostPort(u.Host)
	return map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "HTTPS_PROXY": "http://127.0.0.1:1"}[key]
}

func (a *apiServer) cluster(t *testing.T) *certs.Cluster {
	t.Helper()
	c, err := certs.InCluster(a.getenv, a.dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	before, answer := a.before, a.answer
	a.mu.Unlock()
	if before != nil {
		before(r)
	}
	switch {
	case answer != nil:
		answer(w, r)
	case r.Header.Get("Authorization") != "Bearer "+token:
		refuse(w, http.StatusUnauthorized, "Unauthorized")
	case r.URL.Path != secretPath && r.URL.Path != configurationPath:
		refuse(w, http.StatusNotFound, "not found")
	default:
		a.serve(w, r)
	}
}

func refuse(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "message": message})
}

// named is a webhook of a configuration.
type named struct {
	Name         string `json:"name"`
	ClientConfig struct {
		CABundle []byte `json:"caBundle,omitempty"`
	} `json:"clientConfig"`
}

func (a *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	version := strconv.Itoa(a.version[r.URL.Path])
	if r.Method == http.MethodPatch {
		body, _ := io.ReadAll(r.Body)
		var change struct {
			Metadata struct{ ResourceVersion string }
			Data     map[string][]byte
			Webhooks []named
		}
		switch err := json.Unmarshal(body, &change); {
		case err != nil || r.Header.Get("Content-Type") != "application/strategic-merge-patch+json":
			refuse(w, http.StatusBadRequest, "not such a patch")
			return
		case change.Metadata.ResourceVersion != version:
			refuse(w, http.StatusConflict, "the object has been modified")
			return
		}
		a.patches++
		a.version[r.URL.Path]++
		if r.URL.Path == secretPath {
			a.secret = change.Data
		}
		for _, c := range change.Webhooks {
			a.bundles[c.Name] = c.ClientConfig.CABundle
		}
	}
	object := map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.version[r.URL.Path])}, "more": "of it"}
	if r.URL.Path == secretPath {
		object["data"] = a.secret
	} else {
		var all []named
		for name, bundle := range a.bundles {
			n := named{Name: name}
			n.ClientConfig.CABundle = bundle
			all = append(all, n)
		}
		object["webhooks"] = all
	}
	_ = json.NewEncoder(w).Encode(object)
}

// with changes the server's state.
func (a *apiServer) with(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func TestThisIsNoPod(t *testing.T) {
	t.Parallel()
	a := newAPIServer(t)
	if _, err := certs.InCluster(func(string) string { return "" }, a.dir, 0); err == nil || !strings.Contains(err.Error(), "this is no pod") {
		t.Error(err)
	}
	if _, err := certs.InCluster(a.getenv, t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "reading the API server's authority") {
		t.Error(err)
	}
	write(t, filepath.Join(a.dir, "ca.crt"), "none")
	if _, err := certs.InCluster(a.getenv, a.dir, 0); err == nil || !strings.Contains(err.Error(), "no certificate in it") {
		t.Error(err)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusForbidden, "that is forbidden") }, "GET " + configurationPath + ": 403 Forbidden: that is forbidden"},
		{"no reason", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502 Bad Gateway: it gives no reason"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "302 Found"},
		{"too large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4<<20+1)) }, "more than 4194304 bytes"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "reading the answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAPIServer(t)
			a.answer = tt.answer
			k := newKeeper(t, a, newClock())
			err := k.Look(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the token is in %v", err)
			}
			if k.Ready() == nil {
				t.Error("it is ready")
			}
		})
	}
}

func TestAChangedTokenIsUsed(t *testing.T) {
	t.Parallel()
	a := newAPIServer(t)
	write(t, filepath.Join(a.dir, "token"), "old")
	k := newKeeper(t, a, newClock())
	if err := k.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v, want 401", err)
	}
	write(t, filepath.Join(a.dir, "token"), token)
	look(t, k)
}
