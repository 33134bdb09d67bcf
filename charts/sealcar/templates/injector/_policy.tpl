{{/* sealcar.injector.annotated: an annotation's value, else the default, as sealcar.cel takes it. */}}
{{- define "sealcar.injector.annotated" -}}
@cel variables.annotations[?{{ index . 0 | toJson }}].orValue({{ index . 1 | toString | toJson }})
{{- end -}}

{{/* sealcar.injector.quantity: the same of a quantity. One that is none would fail here, in words that name neither the annotation nor us: the validation refuses it. */}}
{{- define "sealcar.injector.quantity" -}}
@cel variables.annotations[?{{ index . 0 | toJson }}].optMap(q, q.matches({{ (get (index . 2) (index . 0)).pattern | toJson }}) ? q : {{ index . 1 | toString | toJson }}).orValue({{ index . 1 | toString | toJson }})
{{- end -}}

{{/* sealcar.injector.named: a value as CEL, with an expression in place of $(name). */}}
{{- define "sealcar.injector.named" -}}
{{- include "sealcar.cel" (index . 0) | replace "$(name)" (printf "\" + %s + \"" (index . 1)) -}}
{{- end -}}

{{/* sealcar.injector.container: the container as a CEL expression, with what annotations change. */}}
{{- define "sealcar.injector.container" -}}
{{- $i := fromJson (include "sealcar.injection" .) -}}
{{- $c := $i.container -}}
{{- $_ := set $c "image" (include "sealcar.injector.annotated" (list "sealcar/image" $c.image)) -}}
{{- range $i.always.env -}}
{{- if eq .name "SEALCAR_LOG_LEVEL" -}}
{{- $_ := set . "value" (include "sealcar.injector.annotated" (list "sealcar/log-level" .value)) -}}
{{- end -}}
{{- end -}}
{{- $r := $c.resources -}}
{{- $_ := set $r.requests "cpu" (include "sealcar.injector.quantity" (list "sealcar/cpu" $r.requests.cpu $i.annotations)) -}}
{{- $_ := set $r.requests "memory" (include "sealcar.injector.quantity" (list "sealcar/memory" $r.requests.memory $i.annotations)) -}}
{{- $_ := set $r.limits "memory" (include "sealcar.injector.quantity" (list "sealcar/memory-limit" $r.limits.memory $i.annotations)) -}}
{{- $_ := set $c "env" (printf "@cel %s" (include "sealcar.injector.env" $i)) -}}
{{- $_ := set $c "volumeMounts" (printf "@cel %s" (include "sealcar.injector.parts" (list $i "mounts"))) -}}
{{- include "sealcar.cel" $c -}}
{{- end -}}

{{/*
sealcar.injector.env: its environment, as a CEL expression. SEALCAR_STRICT is there
only if it is asked for: "false" would lift what a configuration asks for.
*/}}
{{- define "sealcar.injector.env" -}}
{{- $strict := list -}}
{{- if .strict -}}{{- $strict = list (dict "name" "SEALCAR_STRICT" "value" .strict) -}}{{- end -}}
{{- $asked := list (dict "name" "SEALCAR_STRICT" "value" "@cel variables.annotations[\"sealcar/strict\"]") -}}
{{ include "sealcar.cel" .always.env }} +
(variables.configMap == "" ? {{ include "sealcar.cel" .inline.env }} : {{ include "sealcar.cel" .configMap.env }}) +
("sealcar/strict" in variables.annotations ? {{ include "sealcar.cel" $asked }} : {{ include "sealcar.cel" $strict }})
{{- end -}}

{{/* sealcar.injector.parts: its mounts, or the pod's volumes, as a CEL expression. */}}
{{- define "sealcar.injector.parts" -}}
{{- $i := index . 0 -}}
{{- $what := index . 1 -}}
{{ include "sealcar.cel" (index $i.always $what) }} +
(variables.configMap == "" ? [] : {{ include "sealcar.injector.named" (list (index $i.configMap $what) "variables.configMap") }}) +
variables.secrets.map(s, dyn({{ include "sealcar.injector.named" (list (first (index $i.secret $what)) "s") }}))
{{- end -}}

{{/* sealcar.injector.volumes: of the pod, as a CEL expression. */}}
{{- define "sealcar.injector.volumes" -}}
{{- include "sealcar.injector.parts" (list (fromJson (include "sealcar.injection" .)) "volumes") -}}
{{- end -}}

{{/*
sealcar.injector.clientEnv: the environment of container c, as a CEL expression: ours in
front, so that variables of its own that refer to them get their values. Its own options
of the JVM stay where they are, for they may refer to what comes before; ours are
appended, and of options the last wins. Where they are taken from elsewhere, they stay
for the validation to refuse.
*/}}
{{- define "sealcar.injector.clientEnv" -}}
{{- $i := fromJson (include "sealcar.injection" .) -}}
{{- $names := list -}}
{{- $front := dict -}}
{{- $options := dict -}}
{{- range $which := list "inline" "configMap" -}}
{{- $kept := list -}}
{{- range (index $i $which).appEnv -}}
{{- if eq .name "JAVA_TOOL_OPTIONS" -}}
{{- $_ := set $options $which .value -}}
{{- else -}}
{{- $kept = append $kept . -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- $_ := set $front $which $kept -}}
{{- end -}}
{{- $ours := printf `(variables.configMap == "" ? %s : %s)` (toJson $options.inline) (toJson $options.configMap) -}}
{{- $own := `c.?env.orValue([])` -}}
(variables.configMap == "" ? {{ include "sealcar.cel" $front.inline }} : {{ include "sealcar.cel" $front.configMap }}) +
({{ $own }}.exists(e, e.name == "JAVA_TOOL_OPTIONS") ? [] : [dyn({"name": dyn("JAVA_TOOL_OPTIONS"), "value": dyn({{ $ours }})})]) +
{{ $own }}.filter(e, !(e.name in {{ $names | uniq | toJson }})).map(e, e.name != "JAVA_TOOL_OPTIONS" || has(e.valueFrom) ? dyn(e) :
  dyn({"name": dyn(e.name), "value": dyn(e.?value.orValue("").endsWith({{ $ours }}) ? e.value : e.?value.orValue("") + " " + {{ $ours }})}))
{{- end -}}

{{/*
sealcar.injector.hasSidecar: whether the pod has a sidecar named sealcar, as a CEL
expression. An init container without restartPolicy Always is none: it would be gone
before the application starts.
*/}}
{{- define "sealcar.injector.hasSidecar" -}}
object.spec.?initContainers.orValue([]).exists(c, c.name == 'sealcar' && c.?restartPolicy.orValue('') == 'Always')
{{- end -}}

{{/* sealcar.injector.nameTaken: whether another container has its name, as a CEL expression. */}}
{{- define "sealcar.injector.nameTaken" -}}
(object.spec.containers.exists(c, c.name == 'sealcar') ||
 object.spec.?initContainers.orValue([]).exists(c, c.name == 'sealcar' && c.?restartPolicy.orValue('') != 'Always'))
{{- end -}}

{{/* sealcar.injector.isWindows: whether the pod is for Windows, as a CEL expression. */}}
{{- define "sealcar.injector.isWindows" -}}
object.spec.?os.?name.orValue('') == 'windows'
{{- end -}}

{{/* sealcar.injector.constraints: of its policies, the pods that they are about. */}}
{{- define "sealcar.injector.constraints" -}}
matchConstraints:
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: {{ include "sealcar.injector.excluded" . }}
  resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE]
      resources: [pods]
matchConditions:
  - name: not-ours
    expression: object.metadata.?labels[?'app.kubernetes.io/part-of'].orValue('') != 'sealcar'
  - name: not-host-network # its loopback is that of the node
    expression: "!object.spec.?hostNetwork.orValue(false)"
  - name: no-sidecar-of-its-own # nor one of another injector's, whose settings differ
    expression: |-
      !{{ include "sealcar.injector.hasSidecar" . }} ||
      (object.metadata.?annotations[?'sealcar/status'].orValue('') == 'injected' &&
       object.metadata.?annotations[?'sealcar/injected-by'].orValue('') == {{ include "sealcar.injector.name" . | quote }})
{{- end -}}
