package charts_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestNamesThatYAMLTakesForSomethingElseStayNames has names that are numbers,
// truth values or nothing at all unless they are in quotes. A selector that lost
// its value would fit every pod.
func TestNamesThatYAMLTakesForSomethingElseStayNames(t *testing.T) {
	t.Parallel()
	const namespace, secret = "1234", "0123"
	main := []string{
		"enclave.enabled=true", "enclave.keys.existingSecret=" + secret, "enclave.keys.roots=PEM", "enclave.backendKeySecret=" + secret,
		"enclave.service.clusterIP=fd00::", "enclave.serviceAccount.name=" + secret,
		"gateway.enabled=true", "gateway.tlsSecret=" + secret, "gateway.clients.tokensSecret=" + secret, "gateway.clients.caSecret=" + secret,
		"gateway.interceptionSecret=" + secret, "gateway.secrets={" + secret + "}", "gateway.service.clusterIP=fd00::", "gateway.serviceAccount.name=" + secret,
		"gateway.networkPolicy.enabled=true", "gateway.networkPolicy.appNamespaces={" + secret + "}",
		"injector.mode=webhook", "injector.webhook.serviceAccount.name=" + secret, "injector.webhook.priorityClassName=" + secret,
		"test.apiKeySecret=" + secret, "metrics.podMonitor=true", "metrics.rules=true", "metrics.dashboard=true",
	}
	library := []string{"sealcar." + image, "sealcar.configMap=" + secret, "sealcar.trustBundle=" + secret, "sealcar.secrets={" + secret + "}"}
	for _, release := range []string{"on", "null"} {
		for _, r := range []rendering{
			{"own certificate", "charts/sealcar", append([]string{image}, main...)},
			{"certificate of a Secret", "charts/sealcar", append([]string{image, "injector.webhook.tls.existingSecret=" + secret, "injector.webhook.tls.caBundle=PEM"}, main...)},
			{"library", "charts/examples/library", library},
		} {
			t.Run(release+" "+r.name, func(t *testing.T) {
				t.Parallel()
				args := []string{"template", release, r.chart, "--namespace", namespace, "--kube-version", newest}
				for _, s := range r.set {
					args = append(args, typed(s), s)
				}
				manifests, err := run(t, nil, "helm", args...)
				if err != nil {
					t.Fatalf("%v\n%s", err, manifests)
				}
				if bare := unquoted(t, manifests, release, namespace, secret); len(bare) > 0 {
					t.Errorf("without quotes: %q", bare)
				}
			})
		}
	}
}

// typed is the flag of helm that sets a value as what it is: only true and false are no text here.
func typed(assignment string) string {
	if strings.HasSuffix(assignment, "=true") {
		return "--set"
	}
	return "--set-string"
}

// unquoted gives the lines of manifests on which one of the names stands, alone and without quotes.
func unquoted(t *testing.T, manifests string, names ...string) []string {
	t.Helper()
	lines := strings.Split(manifests, "\n")
	var bare []string
	seen := 0
	for documents := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var document yaml.Node
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading manifests: %v", err)
		}
		for _, scalar := range scalars(&document) {
			if !slices.Contains(names, scalar.Value) {
				continue
			}
			seen++
			if scalar.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
				bare = append(bare, strings.TrimSpace(lines[scalar.Line-1]))
			}
		}
	}
	if seen == 0 {
		t.Fatal("none of the names is in the manifests")
	}
	return bare
}

// scalars gives the values of a document, and its keys.
func scalars(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.ScalarNode {
		return []*yaml.Node{node}
	}
	var all []*yaml.Node
	for _, child := range node.Content {
		all = append(all, scalars(child)...)
	}
	return all
}
