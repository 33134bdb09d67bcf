package kube_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// restricted is what Pod Security asks of a container of our test application.
const restricted = `{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}`

// pod is the manifest of an application's pod. more is put into its metadata,
// spec into its spec.
func pod(name, more, spec string, args ...string) string {
	command, _ := json.Marshal(args) // strings always marshal
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: %s
  labels: {sealcar/inject: "true"}
%s
spec:
  restartPolicy: Never
%s
  containers:
    - name: app
      image: APP
      args: %s
      env: [{name: OPENAI_API_KEY, valueFrom: {secretKeyRef: {name: sealcar-enclave, key: api-key}}}]
      securityContext: %s
`, name, more, spec, command, restricted)
}

// firstRequest runs in a namespace that enforces Pod Security `restricted`.
func firstRequest(c *cluster) {
	c.run("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	c.t.Cleanup(func() { // other parts need more
		if _, err := c.tryWithout("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce-"); err != nil {
			c.t.Error(err)
		}
	})
	wait := commands(c, "helm install")[1] // that a newcomer is told to wait by is a pod too
	probe, _, _ := strings.Cut(wait[strings.Index(wait, "kubectl "):], " && ")
	c.run("sh", "-c", probe)
	c.removed("pod/first")
	c.apply(pod("first", "", "", "serve", ":8088"))
	if out := c.logs("first:", "first", "app"); !strings.Contains(out, "first: You said: first <nil>") {
		c.t.Errorf("the application printed %q", out)
	}
	c.sealed("You said: first")
}

// injected is what admission makes of a pod.
type injected struct {
	Metadata struct{ Annotations map[string]string }
	Spec     struct {
		InitContainers, Containers []container
		Volumes                    []struct{ Name string }
	}
}

type container struct {
	Name, Image  string
	Env          []struct{ Name, Value string }
	VolumeMounts []struct{ Name, MountPath string }
	Resources    struct{ Limits, Requests map[string]string }
}

func (c container) env(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

func (c *cluster) admitted(manifest string, in string) injected {
	c.t.Helper()
	manifest = strings.NewReplacer("IMAGE", c.image, "APP", c.app).Replace(manifest)
	out, err := c.try(manifest, "kubectl", "-n", in, "create", "--dry-run=server", "-o", "json", "-f", "-")
	if err != nil {
		c.t.Fatal(err)
	}
	var p injected
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func selection(c *cluster) {
	const labelled = "sealcar-labelled"
	c.run("kubectl", "create", "namespace", labelled)
	c.run("kubectl", "label", "namespace", labelled, "sealcar/inject=enabled")
	c.t.Cleanup(func() {
		if _, err := c.tryWithout("kubectl", "delete", "namespace", labelled); err != nil {
			c.t.Error(err)
		}
	})
	c.eventually("default", "kubectl", "-n", labelled, "get", "serviceaccounts")
	wanted := pod("p", "", "", "chat", "x")
	plain := strings.Replace(wanted, `sealcar/inject: "true"`, "app: p", 1)
	declined := strings.Replace(wanted, `"true"`, `"false"`, 1)
	for _, tt := range []struct {
		name, manifest, namespace string
		want                      bool
	}{
		{"labelled pod", wanted, namespace, true},
		{"plain pod", plain, namespace, false},
		{"plain pod of a labelled namespace", plain, labelled, true},
		{"pod of a labelled namespace that declines", declined, labelled, false},
		{"labelled pod of a labelled namespace", wanted, labelled, true},
		{"labelled pod of kube-system", wanted, "kube-system", false},
		{"pod on the node's network", pod("p", "", "  hostNetwork: true", "chat", "x"), namespace, false},
		{"pod of ours", strings.Replace(wanted, "sealcar/inject:", "app.kubernetes.io/part-of: sealcar, sealcar/inject:", 1), namespace, false},
	} {
		got := c.admitted(tt.manifest, tt.namespace)
		sidecars := 0
		for _, i := range got.Spec.InitContainers {
			if i.Name == "sealcar" {
				sidecars++
			}
		}
		if (sidecars == 1) != tt.want || sidecars > 1 || (got.Metadata.Annotations["sealcar/status"] == "injected") != tt.want {
			c.t.Errorf("%s: %d sidecars, status %q", tt.name, sidecars, got.Metadata.Annotations["sealcar/status"])
		}
	}
}

func annotations(c *cluster) {
	const more = `
  annotations:
    sealcar/image: registry.example/other:v2
    sealcar/log-level: debug
    sealcar/strict: "true"
    sealcar/memory-limit: 200Mi
    sealcar/memory: 50Mi
    sealcar/cpu: 20m
    sealcar/config-map: mine
    sealcar/secrets: one, two
    sealcar/skip-containers: setup`
	const spec = `
  initContainers:
    - {name: setup, image: APP}
    - {name: prepare, image: APP, env: [{name: NO_PROXY, value: "*"}, {name: JAVA_TOOL_OPTIONS, value: -Xmx1g}, {name: OWN, value: kept}]}`
	got := c.admitted(pod("p", more, spec, "chat", "x"), namespace)
	if len(got.Spec.InitContainers) != 3 {
		c.t.Fatalf("%d init containers", len(got.Spec.InitContainers))
	}
	side, setup, prepare := got.Spec.InitContainers[0], got.Spec.InitContainers[1], got.Spec.InitContainers[2]
	var mounts, volumes []string
	for _, m := range side.VolumeMounts {
		mounts = append(mounts, m.MountPath)
	}
	for _, v := range got.Spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	for what, ok := range map[string]bool{
		"the sidecar comes first":        side.Name == "sealcar" && setup.Name == "setup",
		"image":                          side.Image == "registry.example/other:v2",
		"log level":                      side.env("SEALCAR_LOG_LEVEL") == "debug",
		"strict":                         side.env("SEALCAR_STRICT") == "true",
		"memory limit":                   side.Resources.Limits["memory"] == "200Mi",
		"requests":                       side.Resources.Requests["memory"] == "50Mi" && side.Resources.Requests["cpu"] == "20m",
		"configuration":                  side.env("SEALCAR_CONFIG") == "/etc/sealcar/sealcar.yaml" && side.env("SEALCAR_CONFIG_YAML") == "",
		"secrets":                        strings.Contains(strings.Join(mounts, " "), "/var/run/secrets/sealcar/one /var/run/secrets/sealcar/two"),
		"volumes":                        strings.Contains(strings.Join(volumes, " "), "sealcar-config sealcar-secret-one sealcar-secret-two"),
		"a skipped container":            setup.env("HTTPS_PROXY") == "",
		"another one":                    prepare.env("HTTPS_PROXY") == "http://127.0.0.1:14080",
		"own environment":                prepare.env("OWN") == "kept",
		"no way around the proxy":        prepare.env("NO_PROXY") == "localhost,127.0.0.1,::1,$(KUBERNETES_SERVICE_HOST)",
		"options of the JVM before ours": strings.HasPrefix(prepare.env("JAVA_TOOL_OPTIONS"), "-Xmx1g -Dhttp.proxyHost=127.0.0.1"),
	} {
		if !ok {
			c.t.Errorf("%s: not as the annotations say", what)
		}
	}
}

// refusals are pods that neither injector can follow.
func refusals(c *cluster) {
	for _, tt := range []struct{ more, spec, want string }{
		{"\n  annotations: {sealcar/memory: lots}", "", `annotation sealcar/memory: "lots" is not a quantity such as 50m or 64Mi`},
		{"\n  annotations: {sealcar/config-map: \"\"}", "", `annotation sealcar/config-map: "" is not the name of a ConfigMap`},
		{"\n  annotations: {sealcar/secrets: \"a, b.c\"}", "", `annotation sealcar/secrets: "a, b.c" is not names of Secrets`},
		{"\n  annotations: {sealcar/configmap: mine}", "", "sealcar knows no annotation sealcar/configmap of a pod; there is sealcar/config-map, sealcar/cpu"},
		{"", "  initContainers: [{name: sealcar, image: APP}]", `a container named "sealcar"`},
		{"", "  os: {name: windows}", "the pod is for Windows"},
		{"", "  initContainers: [{name: java, image: APP, env: [{name: JAVA_TOOL_OPTIONS, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]", "takes JAVA_TOOL_OPTIONS from elsewhere"},
	} {
		manifest := strings.Replace(pod("p", tt.more, tt.spec, "chat", "x"), restricted, "{}", 1) // which Windows has not
		if out, err := c.dryRun(manifest); err == nil || !strings.Contains(err.Error(), tt.want) {
			c.t.Errorf("%v, want %s\n%s", err, tt.want, out)
		}
	}
	good := pod("p", "", "", "chat", "x")
	for from, want := range map[string]string{
		`"true"`:    `label sealcar/inject: "True" is not true or false`,
		"name: app": `a container named "sealcar"`,
	} {
		to := map[string]string{`"true"`: `"True"`, "name: app": "name: sealcar"}[from]
		if out, err := c.dryRun(strings.Replace(good, from, to, 1)); err == nil || !strings.Contains(err.Error(), want) {
			c.t.Errorf("%v, want %s\n%s", err, want, out)
		}
	}
	got := c.admitted(pod("p", "\n  annotations: {sealcar/secrets: \"a,a\"}", "", "chat", "x"), namespace)
	mounted := 0
	for _, m := range got.Spec.InitContainers[0].VolumeMounts {
		if m.Name == "sealcar-secret-a" {
			mounted++
		}
	}
	if mounted != 1 {
		c.t.Errorf("a Secret that is named twice is mounted %d times", mounted)
	}
}

// twoInjectors has a second release, with other settings, which has to leave alone
// what the first has changed, and the other way round.
func twoInjectors(c *cluster) {
	const second = "sealcar-second"
	c.t.Cleanup(func() {
		for _, args := range [][]string{{"helm", "uninstall", "-n", second, "b2", "--wait"}, {"kubectl", "delete", "namespace", second}} {
			if _, err := c.tryWithout(args...); err != nil {
				c.t.Error(err)
			}
		}
	})
	repository, tag, _ := strings.Cut(c.image, ":")
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait", "--set", "injector.excludedNamespaces={"+second+"}")
	c.run("helm", "install", "-n", second, "--create-namespace", "b2", "charts/sealcar", "--wait",
		"--set", "image.repository="+repository+",image.tag="+tag+",injector.sidecar.port=15080,injector.sidecar.adminPort=15090")
	manifest := strings.NewReplacer("IMAGE", c.image, "APP", c.app).Replace(pod("p", "", "", "chat", "x"))
	c.eventually("default", "kubectl", "-n", second, "get", "serviceaccounts")
	c.until("the second injector acts", func() bool {
		out, err := c.try(manifest, "kubectl", "-n", second, "create", "--dry-run=server", "-o", "json", "-f", "-")
		return err == nil && strings.Contains(out, second+"/b2-sealcar-injector")
	})
	got := c.admitted(manifest, namespace)
	sidecar, app := got.Spec.InitContainers[0], got.Spec.Containers[0]
	if len(got.Spec.InitContainers) != 1 || app.env("HTTPS_PROXY") != "http://"+sidecar.env("SEALCAR_LISTEN") {
		c.t.Errorf("injected by %s: %d sidecars, which listen on %s, and the application uses %s", got.Metadata.Annotations["sealcar/injected-by"],
			len(got.Spec.InitContainers), sidecar.env("SEALCAR_LISTEN"), app.env("HTTPS_PROXY"))
	}
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait", "--set", "injector.excludedNamespaces=null")
}

func idempotence(c *cluster) {
	manifest := strings.NewReplacer("IMAGE", c.image, "APP", c.app).Replace(pod("p", "", "", "chat", "x"))
	once, err := c.try(manifest, "kubectl", "-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-")
	if err != nil {
		c.t.Fatal(err)
	}
	first, second := c.admitted(once, namespace), c.admitted(once, namespace)
	if len(second.Spec.InitContainers) != 1 || len(second.Spec.Volumes) != len(first.Spec.Volumes) ||
		len(second.Spec.Containers[0].Env) != len(first.Spec.Containers[0].Env) {
		c.t.Errorf("once %+v, twice %+v", first.Spec, second.Spec)
	}
}

// crash kills the sidecar from a container that shares its process namespace.
func crash(c *cluster) {
	c.removed("pod/crash")
	manifest := pod("crash", "", "  shareProcessNamespace: true", "serve", ":8088") + `
    - name: killer
      image: APP
      args: [serve, ":8089"]
      securityContext: {runAsUser: 65532}
`
	c.apply(manifest)
	c.logs("first: You said: first", "crash", "app")
	ask := func(text string) (string, error) {
		return c.try("", "kubectl", "-n", namespace, "exec", "crash", "-c", "app", "--", "/app", "chat", text)
	}
	if _, err := ask("before"); err != nil {
		c.t.Fatal(err)
	}
	for crash := 1; crash <= 2; crash++ {
		c.kubectl("exec", "crash", "-c", "killer", "--", "/app", "kill", "sealcar")
		out, err := ask("during")
		// The first restart is quick; before the second the kubelet waits ten seconds.
		if refused := err != nil && strings.Contains(out, "connection refused"); crash == 2 && !refused {
			c.t.Errorf("without the sidecar the application printed %q, %v", out, err)
		}
		c.eventually(fmt.Sprint(crash), "kubectl", "-n", namespace, "get", "pod", "crash", "-o", "jsonpath={.status.initContainerStatuses[0].restartCount}")
		c.eventually("You said: after", "kubectl", "-n", namespace, "exec", "crash", "-c", "app", "--", "/app", "chat", "after")
	}
}

// drain deletes a pod whose application is in the middle of a stream.
func drain(c *cluster) {
	words := strings.Repeat("word ", 200)
	c.apply(pod("drain", "", "  terminationGracePeriodSeconds: 60", "stream", words))
	c.logs("streaming", "drain", "app")
	args := append(append([]string{}, c.prefix...), "kubectl", "-n", namespace, "logs", "-f", "drain", "-c", "app")
	follow := exec.CommandContext(c.t.Context(), args[0], args[1:]...)
	var out strings.Builder
	follow.Stdout = &out
	if err := follow.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.kubectl("delete", "pod", "drain", "--wait=true")
	_ = follow.Wait() // it ends with the container
	if !strings.Contains(out.String(), "reply: You said: "+strings.TrimSpace(words)) {
		c.t.Errorf("the application printed %q", out.String())
	}
}

func reload(c *cluster) {
	c.removed("pod/reload", "configmap/mine")
	config := func(egress string) {
		c.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata:\n  sealcar.yaml: |\n    egress: {default: " + egress + "}\n")
	}
	config("tunnel")
	c.apply(pod("reload", "\n  annotations: {sealcar/config-map: mine}", "", "serve", ":8088"))
	c.logs("serving", "reload", "sealcar")
	config("deny")
	c.logs("the new configuration is in force", "reload", "sealcar")
	config("everything")
	c.logs("the new configuration is not used", "reload", "sealcar")
	c.warned("reload", "the new configuration is not valid and the one before stays in force")
	gauge := func(value string) {
		c.t.Helper()
		c.eventually(`sealcar_change_refused{setting="config"} `+value, "kubectl", "get", "--raw", "/api/v1/namespaces/"+namespace+"/pods/reload:14090/proxy/metrics")
	}
	gauge("1")
	if ready := c.kubectl("get", "pod", "reload", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.initContainerStatuses[0].restartCount}`); ready != "True 0" {
		c.t.Errorf("ready and restarts: %s", ready)
	}
	config("tunnel")
	gauge("0")
}

// warned waits for the Event that a kubelet makes of a warning.
func (c *cluster) warned(pod, want string) {
	c.t.Helper()
	c.eventually(want, "kubectl", "-n", namespace, "get", "events", "--field-selector", "reason=ProbeWarning,involvedObject.name="+pod, "-o", "jsonpath={.items[*].message}")
}

// secrecy looks at who mounts what: the application has no way to the CA's key,
// and the sidecar none to the cluster's API.
func secrecy(c *cluster) {
	got := c.admitted(pod("p", "", "", "chat", "x"), namespace)
	for _, m := range got.Spec.Containers[0].VolumeMounts {
		if m.Name == "sealcar-state" {
			c.t.Error("the application mounts the volume of the CA's key")
		}
	}
	for _, m := range got.Spec.InitContainers[0].VolumeMounts {
		if m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount" && m.Name != "sealcar-no-token" {
			c.t.Errorf("the sidecar mounts %s", m.Name)
		}
	}
}

func TestPodsAreYAML(t *testing.T) {
	t.Parallel()
	if !strings.Contains(pod("p", "", "", "chat", `say "x"`), `["chat","say \"x\""]`) {
		t.Error("arguments are not quoted")
	}
}
