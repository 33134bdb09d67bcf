package webhook_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sealcar/webhook"
)

// podWith has one container, and the annotations.
func podWith(annotations string) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{%s}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, annotations)
}

func inject(t *testing.T, pod string) ([]webhook.PatchOp, error) {
	t.Helper()
	p, err := webhook.DecodePod([]byte(pod))
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Inject(p, settings(t))
}

// injected is the pod with the patch.
func injected(t *testing.T, pod string) string {
	t.Helper()
	ops, err := inject(t, pod)
	if err != nil {
		t.Fatal(err)
	}
	return apply(t, pod, ops)
}

const (
	side = "/spec/initContainers/sealcar"
	app  = "/spec/containers/app"
)

func TestWhatIsInjected(t *testing.T) {
	t.Parallel()
	const proxy = "http://127.0.0.1:14080"
	for _, tt := range []struct {
		name, pod string
		want      map[string]any // by pointer; nil: not there
	}{
		{"the sidecar comes first, and is one", `{"metadata":{},"spec":{"containers":[{"name":"app"}],"initContainers":[{"name":"prepare"}]}}`, map[string]any{
			"/spec/initContainers/0/name": "sealcar", "/spec/initContainers/1/name": "prepare", side + "/restartPolicy": "Always",
			side + "/image": "registry.example/sealcar:0.1.0", side + "/args/0": "run",
		}},
		{"init containers use it too", `{"metadata":{},"spec":{"containers":[{"name":"app"}],"initContainers":[{"name":"prepare"}]}}`, map[string]any{
			"/spec/initContainers/prepare/env/HTTPS_PROXY/value": proxy, "/spec/initContainers/prepare/volumeMounts/sealcar-ca/mountPath": "/var/run/sealcar",
		}},
		{"both cases of the variables", podWith(""), map[string]any{
			app + "/env/HTTP_PROXY/value": proxy, app + "/env/http_proxy/value": proxy, app + "/env/HTTPS_PROXY/value": proxy, app + "/env/https_proxy/value": proxy,
			app + "/env/SSL_CERT_FILE/value": "/var/run/sealcar/ca-bundle.crt", app + "/volumeMounts/sealcar-ca/readOnly": true,
		}},
		{"the sidecar itself goes by no proxy", podWith(""), map[string]any{side + "/env/HTTPS_PROXY": nil}},
		{"Pod Security restricted", podWith(""), map[string]any{
			side + "/securityContext/runAsNonRoot": true, side + "/securityContext/allowPrivilegeEscalation": false,
			side + "/securityContext/capabilities/drop/0": "ALL", side + "/securityContext/seccompProfile/type": "RuntimeDefault",
		}},
		{"the CA's key is the sidecar's own", podWith(""), map[string]any{
			side + "/volumeMounts/sealcar-state/mountPath": "/var/lib/sealcar", app + "/volumeMounts/sealcar-state": nil, "/spec/volumes/sealcar-state/emptyDir/medium": "Memory",
		}},
		{"it is marked", podWith(`"a/b":"c"`), map[string]any{
			"/metadata/annotations/sealcar~1status": "injected", "/metadata/annotations/sealcar~1injected-by": "default/sealcar-injector", "/metadata/annotations/a~1b": "c", "/metadata/labels/sealcar~1injected": "true",
		}},
		{"what the pod has stays", `{"metadata":{"labels":{"l":"m"}},"spec":{"nodeName":"n","volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"app","env":[{"name":"A","value":"b"}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}]}}`, map[string]any{
			"/spec/nodeName": "n", "/spec/volumes/0/name": "v", app + "/env/A/value": "b", app + "/volumeMounts/v/mountPath": "/v", "/metadata/labels/l": "m",
		}},
		{"a NO_PROXY of its own cannot lead around", `{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"no_proxy","value":"*"},{"name":"A","value":"b"}]}]}}`, map[string]any{
			app + "/env/A/value": "b", app + "/env/no_proxy/value": "localhost,127.0.0.1,::1,$(KUBERNETES_SERVICE_HOST),.svc,.cluster.local",
		}},
		{"options of the JVM stay in front", `{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"JAVA_TOOL_OPTIONS","value":"-Xmx1g"}]}]}}`, map[string]any{
			app + "/env/JAVA_TOOL_OPTIONS/value": "-Xmx1g " + javaOptions(t),
		}},
		{"own variables may refer to ours, and options of the JVM to own ones", `{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"$(HTTPS_PROXY)"},{"name":"JAVA_TOOL_OPTIONS","value":"-Da=$(A)"},{"name":"B","value":"$(JAVA_TOOL_OPTIONS)"}]}]}}`, map[string]any{
			app + "/env/14/name": "A", app + "/env/15/name": "JAVA_TOOL_OPTIONS", app + "/env/15/value": "-Da=$(A) " + javaOptions(t), app + "/env/16/name": "B", app + "/env/17": nil,
		}},
		{"own variables may refer to our options of the JVM", `{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"B","value":"$(JAVA_TOOL_OPTIONS)"}]}]}}`, map[string]any{
			app + "/env/14/name": "JAVA_TOOL_OPTIONS", app + "/env/15/name": "B", app + "/env/16": nil,
		}},
		{"a configuration of the injector's", podWith(""), map[string]any{
			side + "/env/SEALCAR_CONFIG_YAML/value": "egress: {default: deny}", side + "/env/SEALCAR_CONFIG": nil, side + "/env/SEALCAR_STRICT": nil,
		}},
		{"a ConfigMap of its own", podWith(`"sealcar/config-map":"mine"`), map[string]any{
			side + "/env/SEALCAR_CONFIG/value": "/etc/sealcar/sealcar.yaml", side + "/env/SEALCAR_CONFIG_YAML": nil,
			side + "/volumeMounts/sealcar-config/mountPath": "/etc/sealcar", "/spec/volumes/sealcar-config/configMap/name": "mine", app + "/volumeMounts/sealcar-config": nil,
			app + "/env/NO_PROXY/value": "localhost,127.0.0.1,::1,$(KUBERNETES_SERVICE_HOST)", // its routes are not known here
		}},
		{"Secrets of its own", podWith(`"sealcar/secrets":"a, b,,a"`), map[string]any{
			side + "/volumeMounts/sealcar-secret-a/mountPath": "/var/run/secrets/sealcar/a", "/spec/volumes/sealcar-secret-a/secret/secretName": "a",
			"/spec/volumes/sealcar-secret-b/secret/secretName": "b", "/spec/volumes/5": nil, app + "/volumeMounts/sealcar-secret-a": nil,
		}},
		{"image", podWith(`"sealcar/image":"r.example/s:2"`), map[string]any{side + "/image": "r.example/s:2"}},
		{"log level", podWith(`"sealcar/log-level":"debug"`), map[string]any{side + "/env/SEALCAR_LOG_LEVEL/value": "debug"}},
		{"strict", podWith(`"sealcar/strict":"true"`), map[string]any{side + "/env/SEALCAR_STRICT/value": "true"}},
		{"resources", podWith(`"sealcar/cpu":"50m","sealcar/memory":"40Mi","sealcar/memory-limit":"64Mi"`), map[string]any{
			side + "/resources/requests/cpu": "50m", side + "/resources/requests/memory": "40Mi", side + "/resources/limits/memory": "64Mi",
		}},
		{"some resources", podWith(`"sealcar/cpu":"50m"`), map[string]any{
			side + "/resources/requests/cpu": "50m", side + "/resources/requests/memory": "32Mi", side + "/resources/limits/memory": "128Mi",
		}},
		{"a container that is to be skipped", `{"metadata":{"annotations":{"sealcar/skip-containers":"other , more"}},"spec":{"containers":[{"name":"app"},{"name":"other"}]}}`, map[string]any{
			app + "/env/HTTPS_PROXY/value": proxy, "/spec/containers/other/env": nil, "/spec/containers/other/volumeMounts": nil,
		}},
		{"options of the JVM from elsewhere are a skipped container's own", `{"metadata":{"annotations":{"sealcar/skip-containers":"app"}},"spec":{"containers":[{"name":"app","env":[{"name":"JAVA_TOOL_OPTIONS","valueFrom":{}}]}]}}`, map[string]any{
			app + "/env/JAVA_TOOL_OPTIONS/value": nil,
		}},
		{"marks of ours, and what is somebody's", `{"metadata":{"labels":{"sealcar/gateway":"client","sealcar/injected":"true","sealcart/x":"x"},"annotations":{"sealcar/keys":"x","sealcart/x":"x"}},"spec":{"containers":[{"name":"app"}]}}`, map[string]any{side + "/args/0": "run"}},
		{"a status from another pod makes no sidecar", podWith(`"sealcar/status":"injected","sealcar/injected-by":"default/sealcar-injector"`), map[string]any{side + "/args/0": "run", "/spec/volumes/sealcar-ca/name": "sealcar-ca"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got any
			unmarshal(t, injected(t, tt.pod), &got)
			for pointer, want := range tt.want {
				if value := at(got, pointer); !reflect.DeepEqual(value, want) {
					t.Errorf("%s is %v, want %v", pointer, value, want)
				}
			}
		})
	}
}

// javaOptions are ours.
func javaOptions(t *testing.T) string {
	t.Helper()
	for _, variable := range settings(t).Inline.AppEnv {
		if variable["name"] == "JAVA_TOOL_OPTIONS" {
			return variable["value"].(string)
		}
	}
	t.Fatal("there are none")
	return ""
}

func TestInjectingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	for _, pod := range []string{
		podWith(""),
		podWith(`"sealcar/config-map":"mine","sealcar/secrets":"a,b","sealcar/strict":"true","sealcar/log-level":"debug"`),
		`{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"JAVA_TOOL_OPTIONS","value":"-Xmx1g"},{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"ports":[{"containerPort":80}]}],"initContainers":[{"name":"i"}]}}`,
	} {
		if ops, err := inject(t, injected(t, pod)); err != nil || len(ops) != 0 {
			t.Errorf("%d changes, %v: %v", len(ops), err, ops)
		}
	}
}

func TestOnePodsWishesAreNotAnothers(t *testing.T) {
	t.Parallel()
	shared := settings(t)
	of := func(pod string) any {
		t.Helper()
		p, err := webhook.DecodePod([]byte(pod))
		if err != nil {
			t.Fatal(err)
		}
		ops, err := webhook.Inject(p, shared)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		unmarshal(t, apply(t, pod, ops), &got)
		return at(got, side)
	}
	before := of(podWith(""))
	of(podWith(`"sealcar/image":"r.example/s:2","sealcar/log-level":"debug","sealcar/cpu":"1","sealcar/memory-limit":"1Gi","sealcar/strict":"true","sealcar/config-map":"mine","sealcar/secrets":"a"`))
	if after := of(podWith("")); !reflect.DeepEqual(after, before) {
		t.Errorf("%v, before %v", after, before)
	}
}

func TestAContainerThatCameLaterIsRedirected(t *testing.T) {
	t.Parallel()
	pod := strings.Replace(injected(t, podWith("")), `"containers":[`, `"containers":[{"name":"late"},`, 1)
	var got any
	unmarshal(t, injected(t, pod), &got)
	if value := at(got, "/spec/containers/late/env/HTTPS_PROXY/value"); value != "http://127.0.0.1:14080" {
		t.Errorf("its proxy is %v", value)
	}
	if list := at(got, "/spec/initContainers").([]any); len(list) != 1 {
		t.Errorf("%d sidecars, want 1", len(list))
	}
}

func TestPodsThatCannotBeInjected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pod, want string }{
		{"a log level", podWith(`"sealcar/log-level":"loud"`), `annotation sealcar/log-level: "loud" is not debug, info, warn or error`},
		{"an empty one", podWith(`"sealcar/log-level":""`), `annotation sealcar/log-level: "" is not debug`},
		{"strict", podWith(`"sealcar/strict":"yes"`), `annotation sealcar/strict: "yes" is not true or false`},
		{"a quantity", podWith(`"sealcar/memory-limit":"lots"`), `annotation sealcar/memory-limit: "lots" is not a quantity`},
		{"an image", podWith(`"sealcar/image":"a b"`), `annotation sealcar/image: "a b" is not the reference`},
		{"a ConfigMap", podWith(`"sealcar/config-map":"../x"`), `annotation sealcar/config-map: "../x" is not the name`},
		{"the second Secret", podWith(`"sealcar/secrets":"a,B"`), `annotation sealcar/secrets: "a,B" is not names`},
		{"a Secret with a dot", podWith(`"sealcar/secrets":"a.b"`), "each without dots"},
		{"a long Secret", podWith(`"sealcar/secrets":"` + strings.Repeat("a", 49) + `"`), "at most 48 characters"},
		{"an empty ConfigMap", podWith(`"sealcar/config-map":""`), `annotation sealcar/config-map: "" is not the name`},
		{"a label", `{"metadata":{"labels":{"sealcar/inject":"True"}},"spec":{"containers":[{"name":"app"}]}}`, `label sealcar/inject: "True" is not true or false`},
		{"an init container with our name, which is no sidecar", `{"metadata":{},"spec":{"containers":[{"name":"app"}],"initContainers":[{"name":"sealcar"}]}}`, `the pod has a container named "sealcar"`},
		{"the same with our marks", `{"metadata":{"annotations":{"sealcar/status":"injected","sealcar/injected-by":"default/sealcar-injector"}},"spec":{"containers":[{"name":"app"}],"initContainers":[{"name":"sealcar"}]}}`, `the pod has a container named "sealcar"`},
		{"an annotation that there is none of", podWith(`"sealcar/configmap":"mine"`), "sealcar knows no annotation sealcar/configmap of a pod; there is sealcar/config-map, sealcar/cpu, sealcar/image, sealcar/log-level, sealcar/memory, sealcar/memory-limit, sealcar/secrets, sealcar/skip-containers, sealcar/strict"},
		{"a label that there is none of", `{"metadata":{"labels":{"sealcar/injct":"true"}},"spec":{"containers":[{"name":"app"}]}}`, "sealcar knows no label sealcar/injct of a pod; there is sealcar/inject"},
		{"Windows", `{"metadata":{},"spec":{"os":{"name":"windows"},"containers":[{"name":"app"}]}}`, `the pod is for Windows, which the sidecar is not; label it sealcar/inject: "false"`},
		{"a container with our name", `{"metadata":{},"spec":{"containers":[{"name":"app"},{"name":"sealcar"}]}}`, `the pod has a container named "sealcar"`},
		{"options of the JVM from elsewhere", `{"metadata":{},"spec":{"containers":[{"name":"app","env":[{"name":"JAVA_TOOL_OPTIONS","valueFrom":{"configMapKeyRef":{"name":"jvm","key":"options"}}}]}]}}`, `container "app" takes JAVA_TOOL_OPTIONS from elsewhere`},
		{"such an init container", `{"metadata":{},"spec":{"containers":[],"initContainers":[{"name":"prepare","env":[{"name":"JAVA_TOOL_OPTIONS","valueFrom":{}}]}]}}`, `container "prepare" takes JAVA_TOOL_OPTIONS from elsewhere`},
		{"a volume with our name", `{"metadata":{},"spec":{"containers":[],"volumes":[{"name":"sealcar-state"}]}}`, `the pod has a volume "sealcar-state" of its own`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ops, err := inject(t, tt.pod); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v and %d changes, want %q", err, len(ops), tt.want)
			}
		})
	}
}

func TestPodsThatAreSpared(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, namespace, pod, want string
		told                       bool
	}{
		{"kube-system", "kube-system", podWith(""), "its namespace is excluded", false},
		{"ours", "apps", `{"metadata":{"labels":{"app.kubernetes.io/part-of":"sealcar"}}}`, "it is a part of sealcar", false},
		{"hostNetwork", "apps", `{"spec":{"hostNetwork":true}}`, "with hostNetwork its loopback is that of the node", true},
		{"a sidecar of its own", "apps", `{"spec":{"initContainers":[{"name":"sealcar","restartPolicy":"Always"}]}}`, "it has a sidecar already, of its own or of another injector", true},
		{"another injector's", "apps", `{"metadata":{"annotations":{"sealcar/status":"injected","sealcar/injected-by":"b2/sealcar-injector"}},"spec":{"initContainers":[{"name":"sealcar","restartPolicy":"Always"}]}}`, "it has a sidecar already, of its own or of another injector", true},
		{"one that was injected", "apps", `{"metadata":{"annotations":{"sealcar/status":"injected","sealcar/injected-by":"default/sealcar-injector"}},"spec":{"initContainers":[{"name":"sealcar","restartPolicy":"Always"}]}}`, "", false},
		{"an ordinary init container of our name", "apps", `{"spec":{"initContainers":[{"name":"sealcar"}]}}`, "", false},
		{"any other", "apps", podWith(""), "", false},
	} {
		p, err := webhook.DecodePod([]byte(tt.pod))
		if err != nil {
			t.Fatal(err)
		}
		if reason, told := webhook.Spared(p, tt.namespace, settings(t)); reason != tt.want || told != tt.told {
			t.Errorf("%s: %q, told: %v", tt.name, reason, told)
		}
	}
}
