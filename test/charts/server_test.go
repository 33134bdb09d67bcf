package charts_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestManifestsAreTakenByAServer asks a real API server, which also compiles the
// injector's expressions and applies defaults and admission. `make test-kube`
// runs it, with the cluster of test/kube.
func TestManifestsAreTakenByAServer(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_KUBE") == "" {
		t.Skip("TEST_KUBE is not set; make test-kube runs this in a cluster")
	}
	served := strings.Fields(kubectl(t, "", "api-versions"))
	for _, r := range renderings() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.set = slices.DeleteFunc(r.set, func(value string) bool { return strings.Contains(value, "clusterIP=") }) // each cluster has its own range
			manifests, err := run(t, nil, "helm", r.args("template", newest)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, manifests)
			}
			known, unknown := byAPI(t, manifests, served)
			if len(unknown) > 0 {
				t.Logf("the server has no %s", strings.Join(unknown, ", "))
			}
			if known != "" {
				kubectl(t, known, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
			}
		})
	}
}

// byAPI gives the manifests that a server knows the API of, and what the others are.
func byAPI(t *testing.T, manifests string, served []string) (known string, unknown []string) {
	t.Helper()
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var object struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		switch {
		case object.Kind == "":
		case slices.Contains(served, object.APIVersion):
			known += "---\n" + document + "\n"
		default:
			unknown = append(unknown, object.APIVersion+" "+object.Kind)
		}
	}
	return known, unknown
}

// kubectl runs it where the cluster can be reached, and gives what it printed.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	args = append(append(strings.Fields(os.Getenv("KUBE_RUN")), "kubectl"), args...)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = filepath.FromSlash(top)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}
