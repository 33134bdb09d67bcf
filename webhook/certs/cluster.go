package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"sealcar/filemode"
)

// ServiceAccountDir is where a pod finds its service account.
// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
const ServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// DefaultTimeout is that of one call of the API server.
const DefaultTimeout = 10 * time.Second

// maxAnswer bounds an answer of the API server, which takes objects of at most 3 MiB.
const maxAnswer = 4 << 20

// strategicMerge changes what it names and leaves the rest; webhooks in a list go
// by their names. A resourceVersion in it makes the API server answer 409 if the
// object has changed since.
const strategicMerge = "application/strategic-merge-patch+json"

// Cluster is the API server, spoken to as a service account. Make it with
// InCluster.
type Cluster struct {
	base      string // https://host:port
	tokenFile string // read for each call: kubelets change it
	client    *http.Client
}

// InCluster finds the API server as every pod can: its address is in the
// environment, its authority and our token are in dir. A timeout of 0 is
// DefaultTimeout.
func InCluster(getenv func(string) string, dir string, timeout time.Duration) (*Cluster, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod")
	}
	file := filepath.Join(dir, "ca.crt")
	text, err := filemode.ReadTrusted(file, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's authority %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the API server's authority %q: no certificate in it", file)
	}
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &Cluster{
		base:      "https://" + net.JoinHostPort(host, port),
		tokenFile: filepath.Join(dir, "token"),
		client: &http.Client{
			Timeout: timeout,
			// No proxy: it would see the token.
			Transport:     &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// close gives back idle connections.
func (c *Cluster) close() { c.client.CloseIdleConnections() }

func (c *Cluster) get(ctx context.Context, path string, into any) error {
	return c.call(ctx, http.MethodGet, path, nil, into)
}

// patch changes an object, and reads what has become of it.
func (c *Cluster) patch(ctx context.Context, path string, change, into any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("PATCH %s: %w", path, err)
	}
	return c.call(ctx, http.MethodPatch, path, body, into)
}

func (c *Cluster) call(ctx context.Context, method, path string, body []byte, into any) error {
	token, err := filemode.ReadWord(c.tokenFile)
	if err != nil {
		return fmt.Errorf("reading the service account's token %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", strategicMerge)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("asking the API server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("%s %s: the answer has more than %d bytes", method, path, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, reason(answer))
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

// reason is the message of a meta/v1 Status.
func reason(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer, &status); err != nil || status.Message == "" {
		return "it gives no reason"
	}
	return status.Message
}
