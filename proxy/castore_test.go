package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/proxy"
)

// handshake is TLS with host through the rig, as an application does it that
// trusts roots.
func (r *rig) handshake(host string, roots *x509.CertPool) (*x509.Certificate, error) {
	r.t.Helper()
	conn := tls.Client(r.connect(host+":443"), &tls.Config{ServerName: host, RootCAs: roots})
	if err := conn.HandshakeContext(r.t.Context()); err != nil {
		return nil, err
	}
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestSidecarsThatShareACADirServeEachOthersApplications(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	forHost := func(host string) *config.Config {
		return testConfig(t, func(c *config.Config) {
			c.StateDir = dir
			c.Routes = []config.Route{{Name: "only", Hosts: []string{host}}}
		})
	}
	a := start(t, new(recorder), forHost("a.example"))
	early := a.roots()
	b := start(t, new(recorder), forHost("b.example"))
	late := b.roots()
	again := func() *rig {
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		return start(t, new(recorder), forHost("a.example"))
	}
	for _, tc := range []struct {
		name  string
		rig   func() *rig
		host  string
		roots *x509.CertPool
	}{
		{"the first sidecar, for an application from before the second", func() *rig { return a }, "a.example", early},
		{"the first sidecar, for an application from after it", func() *rig { return a }, "a.example", late},
		{"the second sidecar", func() *rig { return b }, "b.example", late},
		{"the first sidecar restarted, for an application from before", again, "a.example", early},
	} {
		if _, err := tc.rig().handshake(tc.host, tc.roots); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if n := len(readCerts(t, a.CAFiles().CA)); n != 2 {
		t.Errorf("%d CAs were made", n)
	}
}

func TestReloadWithANewHostCutsNoApplicationOff(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	r := start(t, new(recorder), c)
	early := r.roots()
	next := *c
	next.Routes = append(slices.Clone(c.Routes), config.Route{Name: "new", Hosts: []string{"new.example.com", "192.0.2.7"}})
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if _, err := r.handshake(routedHost, early); err != nil {
		t.Errorf("a running application: %v", err)
	}
	for _, host := range []string{routedHost, "new.example.com", "192.0.2.7"} {
		if _, err := r.handshake(host, r.roots()); err != nil {
			t.Errorf("a new application, %s: %v", host, err)
		}
	}
	if _, err := r.handshake("new.example.com", early); err == nil {
		t.Error("the first CA vouches for a host that it was not made for")
	}
}

func TestNewCACoversTheHostsOfTheOthersAndTheirNumberIsBounded(t *testing.T) {
	t.Parallel()
	const most = 8
	dir := t.TempDir()
	var cas []*x509.Certificate
	for i := range most + 3 {
		c := testConfig(t, func(c *config.Config) {
			c.StateDir = dir
			c.Routes = []config.Route{{Name: "only", Hosts: []string{fmt.Sprintf("h%d.example", i), fmt.Sprintf("192.0.2.%d", i)}}}
		})
		p, err := newProxy(t, c)
		if err != nil {
			t.Fatal(err)
		}
		before := cas
		cas = readCerts(t, p.CAFiles().CA)
		if want := min(i+1, most); len(cas) != want || len(readStore(t, p.CAFiles())) < want {
			t.Fatalf("%d CAs after %d changes, want %d", len(cas), i, want)
		}
		if !slices.EqualFunc(cas[1:], before[:len(cas)-1], (*x509.Certificate).Equal) {
			t.Fatal("the older CAs are not those from before")
		}
		for j := range i + 1 {
			if !slices.Contains(cas[0].PermittedDNSDomains, fmt.Sprintf("h%d.example", j)) || len(cas[0].PermittedIPRanges) != i+1 {
				t.Fatalf("CA %d may vouch for %v and %v", i, cas[0].PermittedDNSDomains, cas[0].PermittedIPRanges)
			}
		}
	}
}

func TestOldCASignsUntilItsEnd(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var mu sync.Mutex
	now := began
	at := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = began.Add(d)
	}
	clock := func(o *proxy.Options) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	}
	c := testConfig(t) // a CA of 1000 hours, replaced in its last
	if _, err := newProxy(t, c, clock); err != nil {
		t.Fatal(err)
	}
	at(999*time.Hour + 30*time.Minute)
	r := start(t, new(recorder), c, clock)
	cas := readCerts(t, r.CAFiles().CA)
	if len(cas) != 2 {
		t.Fatalf("%d CAs", len(cas))
	}
	signedBy := func(ca *x509.Certificate) error {
		conn := tls.Client(r.connect(routedHost+":443"), &tls.Config{InsecureSkipVerify: true, ServerName: routedHost})
		if err := conn.HandshakeContext(t.Context()); err != nil {
			return err
		}
		leaf := conn.ConnectionState().PeerCertificates[0]
		if leaf.NotAfter.After(ca.NotAfter) {
			return fmt.Errorf("the leaf lasts until %v, its CA until %v", leaf.NotAfter, ca.NotAfter)
		}
		return leaf.CheckSignatureFrom(ca)
	}
	if err := signedBy(cas[1]); err != nil {
		t.Errorf("while the old CA is in force: %v", err)
	}
	at(1001 * time.Hour)
	if err := signedBy(cas[0]); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
