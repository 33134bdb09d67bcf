package kube_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// inMode changes the release's injector.
func (c *cluster) inMode(mode string) {
	c.t.Helper()
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--set", "gateway.enabled=false,injector.mode="+mode, "--wait", "--timeout", patience.String())
}

// bothInjectors has each of them change the same pods.
func bothInjectors(c *cluster) {
	if _, err := c.try("", "kubectl", "get", "mutatingadmissionpolicies"); err != nil {
		c.t.Skip("the cluster has no MutatingAdmissionPolicy to compare the webhook with")
	}
	c.inMode("policy")
	disputed := pod("disputed", "\n  annotations: {sealcar/strict: maybe}", "", "chat", "x")
	c.until("the policy alone is asked", func() bool {
		_, err := c.dryRun(disputed)
		return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'sealcar-injector'")
	})
	byPolicy := c.changed()
	c.inMode("webhook")
	c.until("the webhook is asked first", func() bool {
		_, err := c.dryRun(pod("p", "", "", "chat", "x"))
		logs := c.kubectl("logs", "-l", "app.kubernetes.io/component=webhook", "--tail=-1")
		return err == nil && strings.Contains(logs, `"again":false`)
	})
	byWebhook := c.changed()
	for name, want := range byPolicy {
		if got := byWebhook[name]; !reflect.DeepEqual(got, want) {
			c.t.Errorf("%s: the webhook makes\n%s\nthe policy\n%s", name, text(got), text(want))
		}
	}
	if out, err := c.dryRun(disputed); err == nil || !strings.Contains(err.Error(), `sealcar cannot add its sidecar: annotation sealcar/strict: "maybe" is not true or false`) {
		c.t.Errorf("%v\n%s", err, out)
	}
	refusals(c)
}

// changed are pods as admission leaves them, without what differs each time.
func (c *cluster) changed() map[string]any {
	c.t.Helper()
	found := map[string]any{}
	for name, manifest := range map[string]string{
		"plain": pod("p", "", "", "chat", "x"),
		"with all annotations": pod("p", `
  annotations: {sealcar/image: "r.example/other:v2", sealcar/log-level: debug, sealcar/strict: "true", sealcar/memory-limit: 200Mi, sealcar/memory: 50Mi,
    sealcar/cpu: 20m, sealcar/config-map: mine, sealcar/secrets: "one, two", sealcar/skip-containers: setup}`, `
  initContainers: [{name: setup, image: APP}]`, "chat", "x"),
		"with variables and volumes of its own": pod("p", "", `
  volumes: [{name: own, emptyDir: {}}]
  initContainers:
    - {name: prepare, image: APP, volumeMounts: [{name: own, mountPath: /own}], env: [{name: NO_PROXY, value: "*"}, {name: JAVA_TOOL_OPTIONS, value: -Xmx1g}, {name: OWN, value: kept}]}`, "chat", "x"),
	} {
		out, err := c.dryRun(manifest)
		if err != nil {
			c.t.Fatal(err)
		}
		var p struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     any
		}
		out = regexp.MustCompile(`kube-api-access-\w+`).ReplaceAllString(out, "kube-api-access")
		if err := json.Unmarshal([]byte(out), &p); err != nil {
			c.t.Fatal(err)
		}
		found[name] = p
	}
	return found
}

func text(v any) string {
	b, _ := json.Marshal(v) // it was read from JSON
	return string(b)
}

func (c *cluster) dryRun(manifest string) (string, error) {
	manifest = strings.NewReplacer("IMAGE", c.image, "APP", c.app).Replace(manifest)
	return c.try(manifest, "kubectl", "-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-")
}

// until waits for a state that takes a moment.
func (c *cluster) until(what string, reached func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if reached() {
			return
		}
	}
	c.t.Fatalf("never: %s", what)
}

// webhookRotation lets the webhook change its certificate often, takes the caBundle and
// a pod away from it, and creates pods all the while. It comes after
// bothInjectors, which leaves the webhook in place.
func webhookRotation(c *cluster) {
	if _, err := c.try("", "kubectl", "-n", namespace, "get", "deployment", "sealcar-webhook"); err != nil {
		c.t.Skip("there is no webhook")
	}
	serial := func() string {
		return c.kubectl("get", "secret", "sealcar-webhook-tls", "-o", `jsonpath={.data.tls\.crt}`)
	}
	c.kubectl("scale", "deployment", "sealcar-webhook", "--replicas=0")
	c.kubectl("patch", "secret", "sealcar-webhook-tls", "-p", `{"data":null}`) // or the one of 90 days would stay
	c.kubectl("patch", "deployment", "sealcar-webhook", "--type=json", "-p",
		`[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--lifetime=60s"},{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--interval=2s"},{"op":"replace","path":"/spec/replicas","value":2}]`)
	c.kubectl("rollout", "status", "deployment/sealcar-webhook", "--timeout", patience.String())
	// All of its state was taken away, so the API server has to learn of another
	// authority first, which takes it a moment.
	c.until("the webhook works again", func() bool {
		_, err := c.dryRun(pod("p", "", "", "chat", "x"))
		return err == nil
	})
	created := 0
	survives := func(changes int) {
		c.t.Helper()
		last := serial()
		c.until("the certificate changes", func() bool {
			if _, err := c.dryRun(pod("p", "", "", "chat", "x")); err != nil {
				c.t.Errorf("after %d pods: %v", created, err)
			}
			created++
			if now := serial(); now != last {
				last = now
				changes--
			}
			return changes <= 0
		})
	}
	survives(1)
	c.kubectl("delete", "pod", "--wait=false", c.kubectl("get", "pods", "-l", "app.kubernetes.io/component=webhook", "-o", "jsonpath={.items[0].metadata.name}"))
	survives(1)
	c.t.Logf("%d pods were created while the certificate changed", created)

	c.run("kubectl", "patch", "mutatingwebhookconfiguration", "sealcar-injector", "--type=json", "-p",
		`[{"op":"remove","path":"/webhooks/1/clientConfig/caBundle"}]`)
	c.until("the caBundle is put back", func() bool {
		_, err := c.dryRun(pod("p", "", "", "chat", "x"))
		return err == nil && c.run("kubectl", "get", "mutatingwebhookconfiguration", "sealcar-injector", "-o", "jsonpath={.webhooks[1].clientConfig.caBundle}") != ""
	})
	c.kubectl("scale", "deployment", "sealcar-webhook", "--replicas=0")
	c.until("a pod is refused without the webhook", func() bool {
		_, err := c.dryRun(pod("p", "", "", "chat", "x"))
		return err != nil && strings.Contains(err.Error(), "failed calling webhook")
	})
	if _, err := c.dryRun(strings.Replace(pod("p", "", "", "chat", "x"), `sealcar/inject: "true"`, "app: p", 1)); err != nil {
		c.t.Errorf("a pod that nobody selected: %v", err)
	}
	c.kubectl("scale", "deployment", "sealcar-webhook", "--replicas=2")
	c.kubectl("rollout", "status", "deployment/sealcar-webhook", "--timeout", patience.String())
}
