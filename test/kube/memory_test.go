package kube_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// memory has an application do T73 to T76 to a sidecar whose container may have
// 64 MiB. The kernel would end it at one page more.
func memory(c *cluster) {
	c.removed("pod/memory")
	c.apply(pod("memory", "\n  annotations: {sealcar/memory-limit: 64Mi}", "", "exhaust", "127.0.0.1:14080"))
	out := c.logs("reply:", "memory", "app")
	if !strings.Contains(out, "reply: You said: after it all") {
		c.t.Errorf("the application printed %q", out)
	}
	c.t.Log(strings.TrimSpace(out))
	found := fmt.Sprintf(`"memory_limit_bytes":%d,"from":"cgroup"`, 64<<20*9/10)
	if log := c.kubectl("logs", "memory", "-c", "sealcar"); !strings.Contains(log, found) {
		c.t.Errorf("its log does not say %s", found)
	}
	var status struct {
		RestartCount int
		LastState    map[string]any
	}
	if err := json.Unmarshal([]byte(c.kubectl("get", "pod", "memory", "-o", "jsonpath={.status.initContainerStatuses[0]}")), &status); err != nil {
		c.t.Fatal(err)
	}
	if status.RestartCount != 0 || len(status.LastState) != 0 {
		c.t.Errorf("restarted %d times: %v", status.RestartCount, status.LastState)
	}
}
