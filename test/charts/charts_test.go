package charts_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// top is the top of the source tree.
const top = "../.."

// The Kubernetes versions that are supported, oldest and newest.
const (
	oldest = "1.29.15"
	newest = "1.36.3"
)

// image is what every rendering needs.
const image = "image.repository=registry.example/sealcar"

// tools is where install.sh leaves the programs.
func tools(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(top, ".cache", "charts"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ok")); errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the tools are missing; run make chart-tools")
		}
		t.Skip("the tools are missing; make chart-tools builds them")
	}
	return dir
}

// run runs one of the tools at the top of the source tree and gives what it
// printed, with its complaints if it failed.
func run(t *testing.T, stdin []byte, tool string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools(t), tool), args...)
	cmd.Dir = top
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// rendering is a chart with values.
type rendering struct {
	name, chart string
	set         []string
}

// renderings are the matrix that lint and the schemas are run over.
func renderings() []rendering {
	const main, library = "charts/sealcar", "charts/examples/library"
	off := "injector.enabled=false"
	enclave := "enclave.enabled=true"
	side := "sealcar." + image
	return []rendering{
		{"injector", main, []string{image}},
		{"injector with everything set", main, []string{
			image, "image.digest=sha256:" + strings.Repeat("0", 64), "injector.sidecar.strict=true", "injector.sidecar.app.noProxy={db.example}",
			"injector.sidecar.app.baseURL=http://127.0.0.1:14080/v1", "injector.sidecar.waitForCertificate=false", "test.apiKeySecret=mine",
		}},
		{"injector and enclave", main, []string{image, enclave}},
		{"webhook", main, []string{image, "injector.mode=webhook"}},
		{"webhook with everything set", main, []string{
			image, "injector.mode=webhook", "injector.webhook.replicas=3", "injector.webhook.timeoutSeconds=5", "injector.webhook.tls.existingSecret=mine",
			"injector.webhook.tls.caBundle=PEM", "injector.webhook.priorityClassName=system-cluster-critical", "imagePullSecrets[0].name=pull",
			"injector.webhook.nodeSelector.role=infra", "injector.webhook.serviceAccount.name=ours", "injector.webhook.tolerations[0].operator=Exists", "injector.sidecar.strict=true",
		}},
		{"webhook by cert-manager", main, []string{image, "injector.mode=webhook", "injector.webhook.tls.certManager=true"}},
		{"enclave", main, []string{image, off, enclave}},
		{"enclave with everything set", main, []string{
			image, off, enclave, "enclave.backend=http://vllm:8000/v1", "enclave.backendKeySecret=vllm", "enclave.keys.existingSecret=keys",
			"enclave.keys.roots=PEM", "enclave.replicas=3", "enclave.service.clusterIP=10.0.0.5", "imagePullSecrets[0].name=pull",
			"enclave.nodeSelector.gpu=yes", "enclave.serviceAccount.annotations.role=x", "enclave.tolerations[0].operator=Exists",
		}},
		{"gateway", main, []string{image, off, "gateway.enabled=true", "gateway.tlsSecret=tls", "gateway.clients.tokensSecret=tokens"}},
		{"gateway with everything set", main, []string{
			image, off, "gateway.enabled=true", "gateway.tlsSecret=tls", "gateway.clients.tokensSecret=tokens", "gateway.clients.caSecret=ca",
			"gateway.config=egress: {default: tunnel}", "gateway.names={model.example}", "gateway.interceptionSecret=ca", "gateway.secrets={ak}", "gateway.autoscaling.enabled=true",
			"gateway.networkPolicy.enabled=true", "gateway.networkPolicy.appNamespaces={default,kube-public}", "gateway.service.clusterIP=10.0.0.6",
			"gateway.nodeSelector.net=fast", "gateway.serviceAccount.name=mine", "gateway.tolerations[0].operator=Exists",
			"metrics.podMonitor=true", "metrics.rules=true", "metrics.dashboard=true", "metrics.labels.release=prometheus",
		}},
		{"nothing", main, []string{image, off}},
		{"library", library, []string{side}},
		{"library with everything set", library, []string{
			side, "sealcar.configMap=mine", "sealcar.secrets={a,b}", "sealcar.hosts={model.example}", "sealcar.trustBundle=corporate",
			"sealcar.strict=true", "sealcar.waitForCertificate=false", "sealcar.app.baseURL=http://127.0.0.1:14080/v1",
		}},
	}
}

func (r rendering) args(verb, version string) []string {
	args := []string{verb, r.chart, "--kube-version", version}
	if verb == "template" {
		args = append([]string{verb, "sealcar"}, args[1:]...)
	}
	for _, s := range r.set {
		args = append(args, "--set", s)
	}
	return args
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, r := range renderings() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if out, err := run(t, nil, "helm", append(r.args("lint", newest), "--strict")...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestTemplatesByTheirUnitTests(t *testing.T) {
	t.Parallel()
	for _, chart := range []string{"charts/sealcar", "charts/examples/library"} {
		t.Run(chart, func(t *testing.T) {
			t.Parallel()
			if out, err := run(t, nil, "helm-unittest", "--strict", chart); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestManifestsFitTheAPI(t *testing.T) {
	t.Parallel()
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			schemas := t.TempDir()
			writeSchemas(t, filepath.Join(tools(t), "swagger-"+version+".json"), schemas)
			for _, r := range renderings() {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					manifests, err := run(t, nil, "helm", r.args("template", version)...)
					if err != nil {
						t.Fatalf("%v\n%s", err, manifests)
					}
					conform(t, schemas, manifests, true)
				})
			}
		})
	}
}

// conform tells whether manifests fit the schemas.
func conform(t *testing.T, schemas, manifests string, want bool) {
	t.Helper()
	out, err := run(t, []byte(manifests), "kubeconform", "-strict", "-summary", "-skip", "PodMonitor,PrometheusRule,Issuer,Certificate", // no part of Kubernetes
		"-schema-location", schemas+"/{{ .ResourceKind }}{{ .KindSuffix }}.json")
	if (err == nil) != want {
		t.Errorf("fits: %v, want %v\n%s", err == nil, want, out)
	}
}

func TestSchemasCatch(t *testing.T) {
	t.Parallel()
	schemas := t.TempDir()
	writeSchemas(t, filepath.Join(tools(t), "swagger-"+newest+".json"), schemas)
	const good = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, targetPort: http}]}\n"
	conform(t, schemas, good, true)
	conform(t, schemas, strings.Replace(good, "targetPort", "targetport", 1), false)
	conform(t, schemas, strings.Replace(good, "port: 80", "port: http", 1), false)
	conform(t, schemas, strings.Replace(good, "kind: Service", "kind: Servise", 1), false)
}

// aGateway are the values that a gateway needs, with more.
func aGateway(more ...string) []string {
	return append([]string{image, "gateway.enabled=true", "gateway.tlsSecret=mine", "gateway.clients.tokensSecret=tokens"}, more...)
}

func TestReleasesThatNoServiceCanBeNamedAfterAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"1st", "my.release"} {
		out, err := run(t, nil, "helm", "template", name, "charts/sealcar", "--set", image)
		if err == nil || !strings.Contains(out, "the release cannot be named") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestValuesAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		set  []string
		want string
	}{
		{nil, "image.repository is required"},
		{[]string{image, "colour=red"}, "additional properties 'colour' not allowed"},
		{[]string{image, "injector.sidecar.colour=red"}, "additional properties 'colour' not allowed"},
		{[]string{image, "injector.sidecar.port=0"}, "minimum: got 0, want 1"},
		{[]string{image, "injector.sidecar.logLevel=loud"}, "value must be one of"},
		{[]string{image, "injector.sidecar.resources.limits.memory=lots"}, "does not match pattern"},
		{[]string{image, "image.digest=sha256:0"}, "does not match pattern"},
		{[]string{image, "injector.mode=none"}, "value must be one of"},
		{[]string{image, "injector.webhook.tls.lifetime=90d"}, "does not match pattern"},
		{[]string{image, "injector.mode=webhook", "injector.webhook.tls.existingSecret=mine"}, "injector.webhook.tls.caBundle is required"},
		{[]string{image, "injector.mode=webhook", "injector.webhook.tls.existingSecret=mine", "injector.webhook.tls.certManager=true"}, "choose one"},
		{[]string{image, "injector.sidecar.config=" + strings.Repeat("#", 65537)}, "maxLength: got 65,537, want 65,536"},
		{[]string{image, "injector.webhook.replicas=0"}, "minimum: got 0, want 1"},
		{[]string{image, "injector.excludedNamespaces={kube_system}"}, "does not match pattern"},
		{[]string{"image.repository=registry.example/sealcar:1"}, "does not match pattern"},
		{[]string{image, "enclave.service.clusterIP=None"}, "does not match pattern"},
		{aGateway("gateway.service.clusterIP=gateway"), "does not match pattern"},
		{aGateway("gateway.networkPolicy.appNamespaces={Apps}"), "does not match pattern"},
		{[]string{image, "enclave.enabled=yes"}, "got string, want boolean"},
		{[]string{image, "enclave.backend=vllm:8000"}, "does not match pattern"},
		{[]string{image, "enclave.keyOverlap=1 day"}, "does not match pattern"},
		{[]string{image, "gateway.enabled=true", "gateway.tlsSecret=tls"}, "set tokensSecret or caSecret"},
		{[]string{image, "gateway.enabled=true", "gateway.clients.caSecret=ca"}, "gateway.tlsSecret is required"},
		{[]string{image, "gateway.serviceAccount.create=false"}, "additional properties 'create' not allowed"},
		{[]string{image, "gateway.egress=allow"}, "value must be one of"},
		{[]string{image, "enclave.enabled=true", "enclave.keys.existingSecret=mine"}, "enclave.keys.roots is required"},
		{[]string{image, `injector.sidecar.app.noProxy={foo\,ark.cn-beijing.volces.com}`}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={ ark.cn-beijing.volces.com}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={ark.cn-beijing.volces.com db.example}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={https://ark.cn-beijing.volces.com}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={ark.cn-beijing.volces.com/}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={*.volces.com}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.app.noProxy={*}"}, "does not match pattern"},
		{[]string{image, "injector.sidecar.port=14090"}, "port and adminPort are both 14090"},
		{[]string{image, "injector.sidecar.config=routes: 5"}, "routes is not a list"},
		{[]string{image, "enclave.backend=http://vllm:8000/v1 # tomorrow"}, "does not match pattern"},
		{aGateway("gateway.autoscaling.enabled=true", "gateway.replicas=0"), "replicas (0) is at least 1"},
		{aGateway("gateway.autoscaling.enabled=true", "gateway.autoscaling.maxReplicas=1"), "at most autoscaling.maxReplicas (1)"},
		{aGateway("gateway.secrets={tls}"), `a Secret cannot be named "tls"`},
	} {
		r := rendering{chart: "charts/sealcar", set: tt.set}
		if out, err := run(t, nil, "helm", r.args("template", newest)...); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%q: %v, want %q in\n%s", tt.set, err, tt.want, out)
		}
	}
}
