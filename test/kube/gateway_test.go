package kube_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

const token = "0123456789abcdef0123456789"

// certificate is a self-signed one for the gateway's names, as a Secret has it.
func certificate(t *testing.T, names ...string) (cert, key []byte) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// gateway runs two pods of it, for an application that has no sidecar and uses
// the base URL.
func gateway(c *cluster) {
	cert, key := certificate(c.t, "sealcar-gateway")
	c.removed("secret/gateway-tls", "secret/gateway-tokens", "configmap/gateway-ca", "pod/without", "pod/stranger")
	c.apply(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: gateway-tls}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: gateway-tokens}
stringData: {tokens: "app:%s"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gateway-ca}
binaryData: {ca.crt: %s}
`, base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key), token, base64.StdEncoding.EncodeToString(cert)))
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait", "--timeout", patience.String(),
		"--set", "gateway.enabled=true,gateway.tlsSecret=gateway-tls,gateway.clients.tokensSecret=gateway-tokens,gateway.replicas=2")
	address := c.kubectl("get", "service", "sealcar-gateway", "-o", "jsonpath={.spec.clusterIP}")
	for name, header := range map[string]string{"without": "X-Sealcar-Token: " + token, "stranger": "X-Other: none"} {
		c.apply(outsider(name, address, header))
	}
	if out := c.logs("reply:", "without", "app"); !strings.Contains(out, "reply: You said: through the gateway") {
		c.t.Errorf("the application printed %q", out)
	}
	if out := c.logs("reply:", "stranger", "app"); !strings.Contains(out, "client_unauthenticated") {
		c.t.Errorf("a client without a token printed %q", out)
	}
	c.sealed("through the gateway")
	helmTest(c) // with the gateway's configuration and files

	// Tokens that cannot be read are known before a client comes.
	c.kubectl("patch", "secret", "gateway-tokens", "-p", `{"stringData":{"tokens":"short"}}`)
	c.warned(c.kubectl("get", "pods", "-l", "app.kubernetes.io/component=gateway", "-o", "jsonpath={.items[0].metadata.name}"), "the changed client_auth.token_file cannot be used")
	c.kubectl("patch", "secret", "gateway-tokens", "-p", `{"stringData":{"tokens":"app:`+token+`"}}`)
}

// outsider is an application's pod without a sidecar, which is told the
// gateway's name by its hosts file, for there may be no DNS.
func outsider(name, address, header string) string {
	spec := fmt.Sprintf(`
  hostAliases: [{ip: %q, hostnames: [sealcar-gateway]}]
  volumes: [{name: ca, configMap: {name: gateway-ca}}]`, address)
	manifest := strings.Replace(pod(name, "", spec, "chat", "through the gateway"), `"true"`, `"false"`, 1)
	return strings.Replace(manifest, "      env: [", fmt.Sprintf(`      volumeMounts: [{name: ca, mountPath: /etc/gateway}]
      env: [{name: OPENAI_BASE_URL, value: "https://sealcar-gateway:8443/v1"}, {name: SSL_CERT_FILE, value: /etc/gateway/ca.crt}, {name: HEADER, value: %q}, `, header), 1)
}
