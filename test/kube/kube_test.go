package kube_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCharts is one test with parts, for they share a release.
func TestCharts(t *testing.T) {
	c := newCluster(t)
	c.run("kubectl", "create", "namespace", namespace)
	t.Cleanup(func() {
		if _, err := c.tryWithout("kubectl", "delete", "namespace", namespace); err != nil {
			t.Error(err)
		}
	})
	t.Run("the commands of the documentation", func(t *testing.T) { quickstart(c.with(t)) })
	c.eventually("injected", "kubectl", "-n", namespace, "run", "probe", "--image="+c.app, "--labels=sealcar/inject=true", "--dry-run=server", "-o", "yaml") // a new policy takes a moment
	for _, part := range []struct {
		name string
		test func(*cluster)
	}{
		{"helm test sends a sealed chat", helmTest},
		{"the first request of an app is sealed", firstRequest},
		{"which pods are injected", selection},
		{"annotations change the sidecar", annotations},
		{"an injected pod is not injected again", idempotence},
		{"what cannot be followed is refused", refusals},
		{"what is misspelt is told", advice},
		{"two injectors do not change the same pod", twoInjectors},
		{"the CA's key is the sidecar's, the API's token is not", secrecy},
		{"a crash fails closed and comes back", crash},
		{"64 MiB survive what may use up memory", memory},
		{"an open stream outlives SIGTERM", drain},
		{"a ConfigMap is taken over", reload},
		{"a chart of one's own", library},
		{"a gateway of two pods", gateway},
		{"both injectors add the same", bothInjectors},
		{"the webhook's certificate changes without a refused pod", webhookRotation},
		{"the endpoint's key rotates without a failed request", rotation},
		{"an upgrade keeps the keys", upgrade},
		{"uninstalling leaves nothing", uninstall},
		{"the first chart that worked becomes this one", upgradeFromTheFirst},
		{"a cluster without a way out", airGapped},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(c.with(t)) })
	}
}

// commands are the lines of the block of docs/kubernetes.md that holds a text, the
// first of several, as they are there but for the names of images, the namespace and
// what the lab lacks.
func commands(c *cluster, holds string) []string {
	c.t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kubernetes.md"))
	if err != nil {
		c.t.Fatal(err)
	}
	var block string
	for _, b := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if block == "" && strings.Contains(b[1], holds) {
			block = b[1]
		}
	}
	repository, tag, _ := strings.Cut(c.image, ":")
	flags := append([]string{"--set", "image.tag=" + tag, "--set", "enclave.echoDelay=20ms"}, c.flags...)
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for i, line := range lines {
		line = strings.ReplaceAll(line, "registry.example/sealcar", repository)
		line = strings.ReplaceAll(line, "helm install", "helm install "+strings.Join(flags, " ")+" -n "+namespace)
		line = strings.ReplaceAll(line, "helm upgrade", "helm upgrade -n "+namespace)
		lines[i] = strings.ReplaceAll(line, "kubectl ", "kubectl -n "+namespace+" ")
	}
	return lines
}

func quickstart(c *cluster) {
	if c.python == "" {
		c.t.Log("SKIP: no image of Python: the application of docs/kubernetes.md does not run")
	}
	lines := commands(c, "helm install")
	if len(lines) != 3 {
		c.t.Fatalf("docs/kubernetes.md has %d commands, want 3", len(lines))
	}
	c.removed("job/app", "configmap/app")
	var out string
	for _, line := range lines {
		if c.python == "" && !strings.HasPrefix(line, "helm") {
			return
		}
		line = strings.ReplaceAll(line, "-f charts/examples/app.yaml", "-f "+c.example())
		out = c.run("sh", "-c", line)
	}
	if want := "You said: hello from an unchanged app\n"; !strings.HasSuffix(out, want) {
		c.t.Errorf("the application printed %q, want %q", out, want)
	}
	c.sealed("hello from an unchanged app")
}

// example is charts/examples/app.yaml with an image that this cluster has.
func (c *cluster) example() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "charts", "examples", "app.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	file := filepath.Join(c.t.TempDir(), "app.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "python:3.13-slim", c.python)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// sealed looks into the enclave's log: its last chat came sealed, and the text
// is nowhere.
func (c *cluster) sealed(text string) {
	c.t.Helper()
	log := c.eventually("/chat/completions", "kubectl", "-n", namespace, "logs", "deploy/sealcar-enclave")
	if strings.Contains(log, text) {
		c.t.Error("the text is in the enclave's log")
	}
	var last string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "/chat/completions") {
			last = line
		}
	}
	var entry struct {
		Treatment    string `json:"treatment"`
		OpenedFields int    `json:"opened_fields"`
	}
	if err := json.Unmarshal([]byte(last), &entry); err != nil {
		c.t.Fatal(err)
	}
	if entry.Treatment != "sealed" || entry.OpenedFields == 0 {
		c.t.Errorf("the chat came to the enclave like this: %s", last)
	}
}

// helmTest goes without --logs, for which Helm 3 wants the pod, which is gone by then.
func helmTest(c *cluster) {
	chats := func() int {
		return strings.Count(c.kubectl("logs", "deploy/sealcar-enclave"), "/chat/completions")
	}
	before := chats()
	out := c.run("helm", "test", "-n", namespace, release, "--timeout", patience.String())
	if !strings.Contains(out, "Succeeded") || chats() <= before {
		c.t.Errorf("%d chats before, %d after\n%s", before, chats(), out)
	}
	c.sealed("Say yes.")
	c.eventually("No resources", "sh", "-c", "kubectl -n "+namespace+" get pods -l app.kubernetes.io/component=test 2>&1")
}

// library installs charts/examples/library with our application, which has no
// API key that is any good: the sidecar has it from a Secret.
func library(c *cluster) {
	roots, err := base64.StdEncoding.DecodeString(c.kubectl("get", "secret", "sealcar-enclave", "-o", `jsonpath={.data.roots\.pem}`))
	if err != nil {
		c.t.Fatal(err)
	}
	host := "sealcar-enclave." + namespace + ".svc"
	if len(c.flags) > 0 { // no DNS
		host = c.kubectl("get", "service", "sealcar-enclave", "-o", "jsonpath={.spec.clusterIP}")
	}
	config := filepath.Join(c.t.TempDir(), "sealcar.yaml")
	text := fmt.Sprintf("routes: [{name: own, hosts: [ark.cn-beijing.volces.com], upstream: \"https://%s:8443\", upstream_ca: %q, certificate: {roots: %q, revocation: {mode: \"off\"}}, credentials: {source: file, replace: true, api_key_file: /var/run/secrets/sealcar/sealcar-enclave/api-key}}]\n", host, roots, roots)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	repository, tag, _ := strings.Cut(c.image, ":")
	c.removed("secret/not-the-key")
	c.kubectl("create", "secret", "generic", "not-the-key", "--from-literal=api-key=none")
	c.t.Cleanup(func() {
		if _, err := c.tryWithout("helm", "uninstall", "-n", namespace, "own"); err != nil {
			c.t.Error(err)
		}
	})
	c.run("helm", "install", "own", "charts/examples/library", "-n", namespace, "--wait", "--timeout", patience.String(), "--set-file", "sealcar.config="+config,
		"--set", "apiKeySecret=not-the-key,sealcar.secrets={sealcar-enclave}", "--set", "image="+c.app+",command={/app,serve,:8088},sealcar.image.repository="+repository+",sealcar.image.tag="+tag)
	if out := c.logs("first:", "deploy/own", "app"); !strings.Contains(out, "first: You said: first <nil>") {
		c.t.Errorf("the application printed %q", out)
	}
	c.sealed("You said: first")
}

func uninstall(c *cluster) {
	c.run("helm", "uninstall", "-n", namespace, release, "--wait")
	c.eventually("No resources", "sh", "-c", "kubectl get pods -A -l app.kubernetes.io/part-of=sealcar 2>&1")
	admission := strings.Fields(c.run("kubectl", "api-resources", "--api-group=admissionregistration.k8s.io", "-o", "name"))
	left := c.kubectl("get", "all,secrets,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,roles,rolebindings,clusterroles,clusterrolebindings,"+
		strings.Join(admission, ","), "-A", "-l", "app.kubernetes.io/part-of=sealcar", "-o", "name")
	if left != "" {
		c.t.Errorf("left behind: %s", left)
	}
}

// rotation gives an enclave of two pods a new key while an application talks to it.
func rotation(c *cluster) {
	set := func(values string) {
		c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait", "--timeout", patience.String(), "--set", values)
	}
	steps := commands(c, "rotation=prepare")
	if len(steps) != 2 {
		c.t.Fatalf("the documentation has %d steps, want 2: %q", len(steps), steps)
	}
	key := func() string {
		return c.kubectl("get", "secret", "sealcar-enclave", "-o", `jsonpath={.data.endpoint\.key}`)
	}
	set("enclave.replicas=2")
	before := key()
	c.removed("pod/loop")
	c.apply(pod("loop", "", "", "loop", "40"))
	c.eventually("true", "kubectl", "-n", namespace, "get", "pod", "loop", "-o", "jsonpath={.status.containerStatuses[0].started}")
	c.run("sh", "-c", steps[0])
	if key() != before {
		c.t.Error("the key changed before all pods accept the next one")
	}
	c.run("sh", "-c", steps[1])
	if key() == before {
		c.t.Error("the key has not changed")
	}
	if out := c.logs("chat", "loop", "app"); !strings.Contains(out, "without a failure") {
		c.t.Error(out)
	}
	set("enclave.keys.rotation=,enclave.replicas=1")
}

func TestDocumentedCommandsAreThree(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	if got := commands(&cluster{t: t, image: "local.test/sealcar:v1"}, "helm install"); len(got) != 3 {
		t.Errorf("%q", got)
	}
	if got := commands(&cluster{t: t, image: "local.test/sealcar:v1"}, "rotation="); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
