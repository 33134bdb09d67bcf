package kube_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// airGapped installs charts/examples/air-gapped. The site's enclave is the chart's;
// its endpoint's certificate is issued here and handed over as a file.
func airGapped(c *cluster) {
	const folder = "charts/examples/air-gapped"
	repository, tag, _ := strings.Cut(c.image, ":")
	c.run(append([]string{
		"helm", "install", "-n", namespace, release, "charts/sealcar", "-f", folder + "/values.yaml", "--wait", "--timeout", patience.String(),
		"--set", "enclave.enabled=true,image.repository=" + repository + ",image.tag=" + tag,
	}, c.flags...)...)
	text, err := os.ReadFile(filepath.Join("..", "..", folder, "sealcar.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	address := c.kubectl("get", "service", "sealcar-enclave", "-o", "jsonpath={.spec.clusterIP}")
	keys := c.keys()
	c.removed("configmap/site", "pod/site")
	c.kubectl("create", "configmap", "site",
		"--from-literal=sealcar.yaml="+strings.Replace(string(text), "10.20.30.40", address, 1),
		"--from-literal=tls-ca.pem="+decoded(c.t, keys["roots.pem"]), "--from-literal=roots.pem="+decoded(c.t, keys["roots.pem"]),
		"--from-literal=endpoint.pem="+endpoint(c.t, decoded(c.t, keys["root.key"]), decoded(c.t, keys["endpoint.key"])))
	c.eventually("injected", "kubectl", "-n", namespace, "run", "probe", "--image="+c.app, "--labels=sealcar/inject=true", "--dry-run=server", "-o", "yaml")
	c.apply(pod("site", "\n  annotations: {sealcar/config-map: site}", "", "chat", "within the site"))
	if out := c.logs("reply:", "site", "app"); !strings.Contains(out, "reply: You said: within the site") {
		c.t.Errorf("the application printed %q", out)
	}
	c.sealed("within the site")
	if log := c.kubectl("logs", "deploy/sealcar-enclave"); strings.Contains(log, "get/certificate") {
		c.t.Error("the certificate was asked for")
	}
	c.kubectl("delete", "pod", "site", "--grace-period=1")
	uninstall(c)
}

// endpoint issues the certificate of an endpoint's key. Both keys are PEM, that of
// the authority with its certificate.
func endpoint(t *testing.T, authority, key string) string {
	t.Helper()
	signer, rest := privateKey(t, authority)
	block, _ := pem.Decode(rest)
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := privateKey(t, key)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "endpoint"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageKeyAgreement, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, subject.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// privateKey parses the first block, and gives what comes after it.
func privateKey(t *testing.T, text string) (key *ecdsa.PrivateKey, rest []byte) {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key, rest
}

func decoded(t *testing.T, text string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
