package proxy_test

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"software.sslmate.com/src/go-pkcs12"

	"sealcar/config"
	"sealcar/proxy"
	"sealcar/test/certtest"
)

// newProxy makes a proxy that is never run; its CA is made all the same.
func newProxy(t *testing.T, c *config.Config, change ...func(*proxy.Options)) (*proxy.Proxy, error) {
	t.Helper()
	o := proxy.Options{
		Config: c,
		Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) {
			return &proxy.Protocol{RoundTripper: new(recorder)}, nil
		},
		Listen: func(string, string) (net.Listener, error) { return unusedListener{}, nil },
	}
	for _, f := range change {
		f(&o)
	}
	return proxy.New(o)
}

// unusedListener binds nothing.
type unusedListener struct{ net.Listener }

func (unusedListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (unusedListener) Close() error   { return nil }

func readCerts(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	return certs
}

func TestCAFiles(t *testing.T) {
	t.Parallel()
	system, _ := newRoot(t, nil)
	systemFile := filepath.Join(t.TempDir(), "roots.pem")
	writeTest(t, systemFile, bytes.TrimSpace(certtest.PEM(system)), 0o644) // no newline at its end
	c := testConfig(t)
	p, err := newProxy(t, c, func(o *proxy.Options) {
		o.Getenv = func(k string) string { return map[string]string{"SSL_CERT_FILE": systemFile}[k] }
	})
	if err != nil {
		t.Fatal(err)
	}
	files := p.CAFiles()
	ca := readCerts(t, files.CA)
	if len(ca) != 1 {
		t.Fatalf("ca.crt holds %d certificates", len(ca))
	}
	for name, got := range map[string][]*x509.Certificate{"bundle": readCerts(t, files.Bundle), "trust store": readStore(t, files)} {
		if len(got) != 2 || !got[0].Equal(system) || !got[1].Equal(ca[0]) {
			t.Errorf("the %s holds %d certificates", name, len(got))
		}
	}
	dir := filepath.Dir(files.CA)
	for name, want := range map[string]fs.FileMode{"": 0o755, "ca.crt": 0o644, "ca-bundle.crt": 0o644, "truststore.p12": 0o644, "ca.key": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %#o, want %#o", name, info.Mode().Perm(), want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("ca_dir holds %v", entries)
	}
	if strings.Contains(string(certtest.PEM(ca[0])), "PRIVATE") {
		t.Error("the key is public")
	}
}

func readStore(t *testing.T, files proxy.CAFiles) []*x509.Certificate {
	t.Helper()
	content, err := os.ReadFile(files.Truststore)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(content, files.TruststorePassword)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func TestBundleDoesNotFeedOnItself(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	p, err := newProxy(t, c)
	if err != nil {
		t.Fatal(err)
	}
	before := readCerts(t, p.CAFiles().Bundle)
	// As an application's environment has it that was set up by an earlier run.
	if _, err := newProxy(t, c, func(o *proxy.Options) {
		o.Getenv = func(string) string { return p.CAFiles().Bundle }
	}); err != nil {
		t.Fatal(err)
	}
	if after := readCerts(t, p.CAFiles().Bundle); len(after) != len(before) {
		t.Errorf("the bundle grew from %d to %d", len(before), len(after))
	}
	if _, err := newProxy(t, c, func(o *proxy.Options) {
		o.Getenv = func(string) string { return "/nowhere.pem" }
	}); err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("a bundle that is missing: %v", err)
	}
}

func TestFilesForAppsCanBeApartFromTheKey(t *testing.T) {
	t.Parallel()
	public := filepath.Join(t.TempDir(), "shared", "ca")
	c := testConfig(t, func(c *config.Config) { c.Interception.PublicDir = public })
	p, err := newProxy(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][]string{
		public:                          {"ca-bundle.crt", "ca.crt", "truststore.p12"},
		filepath.Join(c.StateDir, "ca"): {"ca.key"},
	} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if !slices.Equal(names, want) {
			t.Errorf("%q holds %q, want %q", dir, names, want)
		}
	}
	if got := filepath.Dir(p.CAFiles().CA); got != public {
		t.Errorf("applications are sent to %q", got)
	}
}

func TestAuthorityIsConstrained(t *testing.T) {
	t.Parallel()
	withIP := func(c *config.Config) {
		c.Routes = append(c.Routes, config.Route{Name: "ip", Hosts: []string{"192.0.2.7:9000", "[2001:db8::1]"}})
	}
	onlyIP := func(c *config.Config) { c.Routes = []config.Route{{Name: "ip", Hosts: []string{"192.0.2.7"}}} }
	cases := map[string]struct {
		change  func(*config.Config)
		permits []string
		forbids []string
	}{
		"names only":    {func(*config.Config) {}, []string{routedHost, otherHost, thirdHost}, []string{"example.com", "evil.com", "localhost", "127.0.0.1", "2001:db8::1"}},
		"with IPs":      {withIP, []string{routedHost, "192.0.2.7", "2001:db8::1"}, []string{"evil.com", "192.0.2.8", "2001:db8::2"}},
		"IPs only":      {onlyIP, []string{"192.0.2.7"}, []string{"evil.com", "127.0.0.1", "2001:db8::1"}},
		"unconstrained": {func(c *config.Config) { c.Interception.NameConstraints = false }, []string{routedHost, "evil.com", "127.0.0.1"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t, tc.change)
			p, err := newProxy(t, c)
			if err != nil {
				t.Fatal(err)
			}
			ca := readCerts(t, p.CAFiles().CA)[0]
			key := readKey(t, c)
			for _, host := range tc.permits {
				if err := signAndVerify(t, ca, key, host, 1); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			}
			for _, host := range tc.forbids {
				if err := signAndVerify(t, ca, key, host, 1); err == nil {
					t.Errorf("the CA may vouch for %s", host)
				}
			}
			if err := signAndVerify(t, ca, key, tc.permits[0], 2); err == nil {
				t.Error("the CA may make CAs")
			}
			if pub, ok := ca.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() {
				t.Error("the CA's key is not on P-256")
			}
			if n := ca.SerialNumber.BitLen(); n != 127 {
				t.Errorf("the serial has %d bits", n)
			}
			if c.Interception.NameConstraints && !ca.PermittedDNSDomainsCritical {
				t.Error("the constraints are not critical")
			}
		})
	}
}

// signAndVerify makes a leaf for host below ca, with depth-1 CAs in between, and
// verifies it as a client would.
func signAndVerify(t *testing.T, ca *x509.Certificate, key *ecdsa.PrivateKey, host string, depth int) error {
	t.Helper()
	roots, above := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca)
	for ; depth > 1; depth-- {
		sub, subKey := newRoot(t, func(*x509.Certificate) *signer { return &signer{ca, key} })
		above.AddCert(sub)
		ca, key = sub, subKey
	}
	template := &x509.Certificate{NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour)}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	leaf := certtest.Sign(t, template, ca, key, key.Public())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: above, DNSName: host})
	return err
}

type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newRoot makes a CA, signed by itself or by what parent gives.
func newRoot(t *testing.T, parent func(template *x509.Certificate) *signer) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := certtest.Key(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	by := &signer{template, key}
	if parent != nil {
		by = cmp.Or(parent(template), by)
	}
	return certtest.Sign(t, template, by.cert, by.key, key.Public()), key
}

func writeTest(t *testing.T, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func readKey(t *testing.T, c *config.Config) *ecdsa.PrivateKey {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.StateDir, "ca", "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ecdsa.PrivateKey)
}

func TestCAIsKeptOrRotated(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		first, second func(*config.Config)
		later         time.Duration
		want          string // of the first CA
	}{
		"the same again":          {nil, nil, 0, "kept"},
		"fewer hosts":             {nil, func(c *config.Config) { c.Routes = c.Routes[:1] }, 0, "kept"},
		"one more host":           {nil, func(c *config.Config) { c.Routes[0].Hosts = append(c.Routes[0].Hosts, "new.example.com") }, 0, "beside"},
		"a subdomain":             {nil, func(c *config.Config) { c.Routes[0].Hosts = append(c.Routes[0].Hosts, "sub."+routedHost) }, 0, "beside"},
		"an IP address":           {nil, func(c *config.Config) { c.Routes[0].Hosts = append(c.Routes[0].Hosts, "192.0.2.7") }, 0, "beside"},
		"constraints now wanted":  {func(c *config.Config) { c.Interception.NameConstraints = false }, nil, 0, "in place"},
		"constraints not wanted":  {nil, func(c *config.Config) { c.Interception.NameConstraints = false }, 0, "kept"},
		"shortly before rotation": {nil, nil, 998 * time.Hour, "kept"},
		"in time for rotation":    {nil, nil, 999*time.Hour + time.Minute, "beside"},
		"long expired":            {nil, nil, 5000 * time.Hour, "in place"},
	}
	count := map[string]int{"kept": 1, "beside": 2, "in place": 1}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			dir := t.TempDir()
			at := func(change func(*config.Config), d time.Duration, log *logBuffer) []*x509.Certificate {
				c := testConfig(t, func(c *config.Config) {
					c.StateDir = dir
					if change != nil {
						change(c)
					}
				})
				p, err := newProxy(t, c, func(o *proxy.Options) {
					o.Now = func() time.Time { return now.Add(d) }
					o.Log = zerolog.New(log)
				})
				if err != nil {
					t.Fatal(err)
				}
				bundle := readCerts(t, p.CAFiles().Bundle)
				cas := readCerts(t, p.CAFiles().CA)
				if !slices.EqualFunc(bundle[len(bundle)-len(cas):], cas, (*x509.Certificate).Equal) {
					t.Error("the bundle holds other CAs")
				}
				return cas
			}
			log := new(logBuffer)
			first := at(tc.first, 0, log)
			second := at(tc.second, tc.later, log)
			if kept := first[0].Equal(second[0]); kept != (tc.want == "kept") || len(second) != count[tc.want] {
				t.Errorf("kept: %v, with %d CAs, want %s", kept, len(second), tc.want)
			}
			if tc.want == "beside" && !second[1].Equal(first[0]) {
				t.Error("another CA is beside the new one")
			}
			if told := strings.Contains(log.String(), "made a new local CA "+tc.want+" "); told != (tc.want != "kept") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

func TestProcessesThatShareACADirAgree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	certs := make([]*x509.Certificate, 8)
	for i := range certs {
		wg.Go(func() {
			r, err := newProxy(t, testConfig(t, func(c *config.Config) { c.StateDir = dir }))
			if err != nil {
				t.Error(err)
				return
			}
			certs[i] = readCerts(t, r.CAFiles().CA)[0]
		})
	}
	wg.Wait()
	for _, c := range certs[1:] {
		if c == nil || !c.Equal(certs[0]) {
			t.Fatal("two CAs were made")
		}
	}
}

func TestUnsafeCAKeyIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(path string) error
		says  string
	}{
		"others can read it": {func(path string) error { return os.Chmod(path, 0o644) }, "0644"},
		"the group can":      {func(path string) error { return os.Chmod(path, 0o640) }, "0640"},
		"somebody else's":    {func(path string) error { return os.Chown(path, 65534, 65534) }, "65534"},
		"a pipe": {func(path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		}, "regular file"},
		"a symbolic link": {func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		}, "regular file"},
		"garbage":     {func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o600) }, "no certificate"},
		"half of it":  {func(path string) error { return os.Truncate(path, 100) }, "no certificate"},
		"and garbage": {func(path string) error { return appendTo(path, "garbage") }, "no certificate"},
		"emptied":     {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "no certificate"},
		"another key": {func(path string) error { return swapKey(path) }, "not that of the first certificate"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			if _, err := newProxy(t, c); err != nil {
				t.Fatal(err)
			}
			err := tc.spoil(filepath.Join(c.StateDir, "ca", "ca.key"))
			if errors.Is(err, fs.ErrPermission) {
				t.Skip("only root gives files away")
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := newProxy(t, c); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func appendTo(path, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, text...), 0o600)
}

// swapKey puts another key before the certificate.
func swapKey(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	_, cert := pem.Decode(content)
	return os.WriteFile(path, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), cert...), 0o600)
}

func TestBringYourOwnCA(t *testing.T) {
	t.Parallel()
	root, rootKey := newRoot(t, nil)
	sub, subKey := newRoot(t, func(*x509.Certificate) *signer { return &signer{root, rootKey} })
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeTest(t, certFile, certtest.PEM(sub, root), 0o644)
	writeTest(t, keyFile, certtest.KeyPEM(t, subKey), 0o440) // as a mounted secret has it
	own := func(c *config.Config) {
		c.Interception.CACertFile, c.Interception.CAKeyFile = certFile, keyFile
	}
	r := start(t, new(recorder), testConfig(t, own))
	pool := x509.NewCertPool()
	pool.AddCert(root)
	inner := tls.Client(r.connect(routedHost+":443"), &tls.Config{RootCAs: pool, ServerName: routedHost})
	if err := inner.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("a client that trusts the root only: %v", err)
	}
	if got := readCerts(t, r.CAFiles().CA); len(got) != 2 || !got[0].Equal(sub) {
		t.Errorf("ca.crt holds %d certificates", len(got))
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.CAFiles().CA), "ca.key")); err == nil {
		t.Error("a key was written to ca_dir")
	}

	leafCert, leafKey := newRoot(t, func(template *x509.Certificate) *signer {
		template.IsCA = false
		return &signer{root, rootKey}
	})
	bad := map[string]struct {
		cert, key []byte
		mode      fs.FileMode
		says      string
	}{
		"everybody can read the key": {certtest.PEM(sub), certtest.KeyPEM(t, subKey), 0o644, "0644"},
		"another's key":              {certtest.PEM(sub), certtest.KeyPEM(t, rootKey), 0o600, "not that of the first certificate"},
		"not a CA":                   {certtest.PEM(leafCert), certtest.KeyPEM(t, leafKey), 0o600, "not that of a CA"},
		"no key":                     {certtest.PEM(sub), certtest.PEM(sub), 0o600, "no private key"},
		"no certificate":             {certtest.KeyPEM(t, subKey), certtest.KeyPEM(t, subKey), 0o600, "no certificate"},
	}
	for name, tc := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeTest(t, filepath.Join(dir, "c"), tc.cert, 0o644)
			writeTest(t, filepath.Join(dir, "k"), tc.key, tc.mode)
			_, err := newProxy(t, testConfig(t, func(c *config.Config) {
				c.Interception.CACertFile, c.Interception.CAKeyFile = filepath.Join(dir, "c"), filepath.Join(dir, "k")
			}))
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "BEGIN") {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Interception.CALifetime = 30 * time.Hour }), func(o *proxy.Options) { o.Now = clock })
	ca := readCerts(t, r.CAFiles().CA)[0]
	present := func() (*x509.Certificate, error) {
		conn := tls.Client(r.connect(routedHost+":443"), &tls.Config{InsecureSkipVerify: true, ServerName: routedHost})
		if err := conn.HandshakeContext(t.Context()); err != nil {
			return nil, err
		}
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	first, err := present()
	if err != nil {
		t.Fatal(err)
	}
	if got := first.NotAfter.Sub(now).Round(time.Minute); got != 24*time.Hour {
		t.Errorf("a leaf lasts %v", got)
	}
	if first.NotBefore.After(now.Add(-time.Minute)) || first.IsCA || len(first.DNSNames) != 1 {
		t.Errorf("the leaf: from %v, for %v", first.NotBefore, first.DNSNames)
	}
	if again, err := present(); err != nil || !again.Equal(first) {
		t.Errorf("a second leaf: %v", err)
	}
	mu.Lock()
	now = now.Add(20 * time.Hour)
	mu.Unlock()
	second, err := present()
	if err != nil {
		t.Fatal(err)
	}
	if second.Equal(first) || second.NotAfter.After(ca.NotAfter) || second.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Errorf("the renewed leaf lasts until %v, the CA until %v", second.NotAfter, ca.NotAfter)
	}
	mu.Lock()
	now = now.Add(20 * time.Hour)
	mu.Unlock()
	if _, err := present(); err == nil {
		t.Error("a leaf beyond the CA's end")
	}
	if line := r.log.line(t, map[string]any{"level": "warn", "host": routedHost}); line["ca"] != nil {
		t.Errorf("the application is blamed: %v", line)
	}
}
