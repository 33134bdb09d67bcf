package kube_test

import "strings"

// advice has a server judge what people misspell: it is taken, and they are told.
func advice(c *cluster) {
	workload := func(kind, version, own, labels, annotations string) string {
		template := "{metadata: {labels: {app: x" + labels + "}, annotations: {" + annotations + "}}, spec: {restartPolicy: RESTART, containers: [{name: c, image: none}]}}"
		spec := "{selector: {matchLabels: {app: x}}, template: " + strings.Replace(template, "RESTART", "Always", 1) + "}"
		switch kind {
		case "Job":
			spec = "{template: " + strings.Replace(template, "RESTART", "Never", 1) + "}"
		case "CronJob":
			spec = "{schedule: '@daily', jobTemplate: {spec: {template: " + strings.Replace(template, "RESTART", "Never", 1) + "}}}"
		}
		return "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: x, labels: {app: x" + own + "}}\nspec: " + spec + "\n"
	}
	space := func(labels string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: x, labels: {" + labels + "}}\n"
	}
	lone := func(labels, annotations string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: x, labels: {" + labels + "}, annotations: {" + annotations + "}}\nspec: {containers: [{name: c, image: none}]}\n"
	}
	for name, tt := range map[string]struct{ manifest, want string }{
		"a pod":                    {lone("", ""), ""},
		"a pod that is right":      {lone(`sealcar/inject: "true"`, "sealcar/cpu: 20m, sealcar/skip-containers: a"), ""},
		"somebody's":               {lone("app.kubernetes.io/name: sealcar, app: sealcar, team/sealcar: x, sealcart.io/x: x", "sealcar: x, sealcarx/y: x"), ""},
		"a pod's label":            {lone(`sealcar/injct: "true"`, ""), "sealcar knows no label sealcar/injct of a pod; there is sealcar/inject"},
		"another domain":           {lone(`sealcar.io/inject: "true"`, ""), "sealcar knows no label sealcar.io/inject"},
		"another name":             {lone("", "sealcar-sidecar/cpu: 20m"), "sealcar knows no annotation sealcar-sidecar/cpu"},
		"a pod's annotation":       {lone("", "sealcar/configmap: mine"), "sealcar knows no annotation sealcar/configmap of a pod"},
		"an annotation as a label": {lone("", `sealcar/inject: "true"`), "a sidecar is asked for by the label sealcar/inject"},
		"a Deployment":             {workload("Deployment", "apps/v1", "", `, sealcar/inject: "true"`, ""), ""},
		"a Deployment's label":     {workload("Deployment", "apps/v1", `, sealcar/inject: "true"`, "", ""), "is to be on the pods (spec.template.metadata.labels)"},
		"a Deployment's template":  {workload("Deployment", "apps/v1", "", `, sealcar/inject: "yes"`, ""), `label sealcar/inject: "yes" of a pod is not true or false`},
		"a StatefulSet's template": {workload("StatefulSet", "apps/v1", "", `, sealcar/injected-by: x`, ""), "sealcar knows no label sealcar/injected-by"},
		"a DaemonSet's template":   {workload("DaemonSet", "apps/v1", "", `, sealcar/x: x`, ""), "sealcar knows no label sealcar/x"},
		"a Job's template":         {workload("Job", "batch/v1", "", `, sealcar/x: x`, ""), "sealcar knows no label sealcar/x"},
		"a CronJob's template":     {workload("CronJob", "batch/v1", "", "", "sealcar/x: x"), "sealcar knows no annotation sealcar/x"},
		"a namespace":              {space("sealcar/inject: enabled"), ""},
		"a namespace like a pod":   {space(`sealcar/inject: "true"`), ""},
		"somebody's namespace":     {space("sealcart.io/x: x"), ""},
		"a namespace's value":      {space(`sealcar/inject: "yes"`), `label sealcar/inject: "yes" of a namespace does nothing; its pods get sidecars by the value enabled`},
		"a namespace's label":      {space("sealcar/injection: enabled"), "sealcar knows no label sealcar/injection of a namespace"},
	} {
		out := c.told(tt.manifest, namespace)
		if got := strings.Contains(out, "Warning"); got != (tt.want != "") || !strings.Contains(out, tt.want) {
			c.t.Errorf("%s: %s\nwant %q", name, out, tt.want)
		}
	}
	if out := c.told(lone(`sealcar/inject: "true"`, ""), "kube-public"); !strings.Contains(out, "pods of the namespace kube-public get no sidecar") {
		c.t.Error(out)
	}
}

// told is what kubectl prints when a manifest would be taken.
func (c *cluster) told(manifest, namespace string) string {
	c.t.Helper()
	out, err := c.try(manifest, "sh", "-c", "kubectl -n "+namespace+" create --dry-run=server -f - 2>&1")
	if err != nil {
		c.t.Error(err)
	}
	return out
}
