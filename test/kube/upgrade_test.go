package kube_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"strings"
)

// upgrade is one that changes nothing.
func upgrade(c *cluster) {
	before := c.keys()
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait")
	if !maps.Equal(c.keys(), before) {
		c.t.Error("the upgrade made new keys")
	}
}

// upgradeFromTheFirst has the oldest chart that answered a chat become today's.
func upgradeFromTheFirst(c *cluster) {
	old := c.firstCharts()
	repository, tag, _ := strings.Cut(c.image, ":")
	args := append([]string{
		"helm", "install", "-n", namespace, release, old + "/charts/sealcar", "--wait", "--timeout", patience.String(),
		"--set", "enclave.enabled=true,image.repository=" + repository + ",image.tag=" + tag,
	}, c.flags...)
	c.run(args...)
	before := c.keys()
	c.run("helm", "upgrade", "-n", namespace, release, "charts/sealcar", "--reset-then-reuse-values", "--wait", "--timeout", patience.String())
	after := c.keys()
	for name, key := range before {
		if after[name] != key {
			c.t.Errorf("the upgrade changed %s", name)
		}
	}
	c.eventually("injected", "kubectl", "-n", namespace, "run", "probe", "--image="+c.app, "--labels=sealcar/inject=true", "--dry-run=server", "-o", "yaml")
	c.removed("pod/upgraded")
	c.apply(pod("upgraded", "", "", "chat", "after the upgrade"))
	if out := c.logs("reply:", "upgraded", "app"); !strings.Contains(out, "reply: You said: after the upgrade") {
		c.t.Errorf("the application printed %q", out)
	}
	c.sealed("after the upgrade")
	uninstall(c)
}

// keys are those of the enclave's Secret.
func (c *cluster) keys() map[string]string {
	c.t.Helper()
	var keys map[string]string
	if err := json.Unmarshal([]byte(c.kubectl("get", "secret", "sealcar-enclave", "-o", "jsonpath={.data}")), &keys); err != nil {
		c.t.Fatal(err)
	}
	return keys
}

// firstCharts unpacks the charts of the first commit that has their helm test:
// before it the enclave's keys were such that no sidecar trusted them. A clone
// without its history has none.
func (c *cluster) firstCharts() string {
	c.t.Helper()
	git := func(args ...string) string {
		out, err := exec.CommandContext(c.t.Context(), "git", args...).Output()
		if err != nil {
			c.t.Skipf("git %s: %v: the charts' history is not known", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	if git("rev-parse", "--is-shallow-repository") == "true" {
		c.t.Skip("the clone is shallow: the charts' history is not known")
	}
	added := strings.Fields(git("log", "--diff-filter=A", "--format=%H", "--", ":/charts/sealcar/templates/tests/chat.yaml"))
	if len(added) == 0 {
		c.t.Skip("the charts have no history")
	}
	dir := c.t.TempDir()
	c.run("sh", "-c", fmt.Sprintf("git archive %s charts | tar -x -C %s", added[len(added)-1], dir))
	return dir
}
