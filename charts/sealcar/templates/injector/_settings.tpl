{{/* sealcar.injector.settings: of injected sidecars, as the library chart takes them, in JSON. */}}
{{- define "sealcar.injector.settings" -}}
{{- $s := deepCopy .Values.injector.sidecar -}}
{{- if and (not $s.config) .Values.enclave.enabled -}}
{{- $_ := set $s "config" (include "sealcar.enclave.sidecarConfig" .) -}}
{{- end -}}
{{- $_ := set $s "image" .Values.image -}}
{{- $_ := set $s.image "tag" (.Values.image.tag | default .Chart.AppVersion) -}}
{{- toJson $s -}}
{{- end -}}

{{/* sealcar.injector.annotated: an annotation's value, else the default, as sealcar.cel takes it. */}}
{{- define "sealcar.injector.annotated" -}}
@cel variables.annotations[?{{ index . 0 | toJson }}].orValue({{ index . 1 | toString | toJson }})
{{- end -}}

{{/* sealcar.injector.container: the container as a CEL expression, with what annotations change. */}}
{{- define "sealcar.injector.container" -}}
{{- $s := fromJson (include "sealcar.injector.settings" .) -}}
{{- $base := set (set (deepCopy $s) "config" "") "strict" false -}}
{{- $c := fromYaml (include "sealcar.container" $base) -}}
{{- $_ := set $c "image" (include "sealcar.injector.annotated" (list "sealcar/image" $c.image)) -}}
{{- range $c.env -}}
{{- if eq .name "SEALCAR_LOG_LEVEL" -}}
{{- $_ := set . "value" (include "sealcar.injector.annotated" (list "sealcar/log-level" .value)) -}}
{{- end -}}
{{- end -}}
{{- $r := $c.resources -}}
{{- $_ := set $r.requests "cpu" (include "sealcar.injector.annotated" (list "sealcar/cpu" $r.requests.cpu)) -}}
{{- $_ := set $r.requests "memory" (include "sealcar.injector.annotated" (list "sealcar/memory" $r.requests.memory)) -}}
{{- $_ := set $r.limits "memory" (include "sealcar.injector.annotated" (list "sealcar/memory-limit" $r.limits.memory)) -}}
{{- $_ := set $c "env" (printf "@cel %s +\n%s" (include "sealcar.cel" $c.env) (include "sealcar.injector.configEnv" $s)) -}}
{{- $_ := set $c "volumeMounts" (printf "@cel %s +\n%s" (include "sealcar.cel" $c.volumeMounts) (include "sealcar.injector.mounts" .)) -}}
{{- include "sealcar.cel" $c -}}
{{- end -}}

{{/* sealcar.injector.configEnv: where the sidecar's configuration is, as a CEL expression. */}}
{{- define "sealcar.injector.configEnv" -}}
{{- $text := list -}}
{{- if .config -}}{{- $text = list (dict "name" "SEALCAR_CONFIG_YAML" "value" .config) -}}{{- end -}}
{{- $file := list (dict "name" "SEALCAR_CONFIG" "value" "/etc/sealcar/sealcar.yaml") -}}
{{- $strict := list (dict "name" "SEALCAR_STRICT" "value" (include "sealcar.injector.annotated" (list "sealcar/strict" .strict))) -}}
(variables.configMap == "" ? {{ include "sealcar.cel" $text }} : {{ include "sealcar.cel" $file }}) +
{{ include "sealcar.cel" $strict }}
{{- end -}}

{{/* sealcar.injector.mounts: of what annotations name, as a CEL expression. */}}
{{- define "sealcar.injector.mounts" -}}
{{- $config := list (dict "name" "sealcar-config" "mountPath" "/etc/sealcar" "readOnly" true) -}}
{{- $secret := dict "name" "@cel \"sealcar-secret-\" + s" "mountPath" "@cel \"/var/run/secrets/sealcar/\" + s" "readOnly" true -}}
(variables.configMap == "" ? [] : {{ include "sealcar.cel" $config }}) +
variables.secrets.map(s, dyn({{ include "sealcar.cel" $secret }}))
{{- end -}}

{{/* sealcar.injector.volumes: of the pod, as a CEL expression. */}}
{{- define "sealcar.injector.volumes" -}}
{{- $config := list (dict "name" "sealcar-config" "configMap" (dict "name" "@cel variables.configMap")) -}}
{{- $secret := dict "name" "@cel \"sealcar-secret-\" + s" "secret" (dict "secretName" "@cel s" "defaultMode" 0444) -}}
{{ include "sealcar.cel" (fromYamlArray (include "sealcar.podVolumes" dict)) }} +
(variables.configMap == "" ? [] : {{ include "sealcar.cel" $config }}) +
variables.secrets.map(s, dyn({{ include "sealcar.cel" $secret }}))
{{- end -}}

{{/*
sealcar.injector.clientEnv: the environment of container c, as a CEL expression.
Its own options of the JVM stay in front of ours, of which the last wins.
*/}}
{{- define "sealcar.injector.clientEnv" -}}
{{- $s := fromJson (include "sealcar.injector.settings" .) -}}
{{- $known := fromYamlArray (include "sealcar.clientEnv" $s) -}}
{{- $unknown := fromYamlArray (include "sealcar.clientEnv" (set (set (deepCopy $s) "config" "") "configMap" "named by annotation")) -}}
{{- $own := `c.?env.orValue([]).filter(e, e.name == "JAVA_TOOL_OPTIONS").map(e, e.?value.orValue(""))` -}}
{{- range concat $known $unknown -}}
{{- if eq .name "JAVA_TOOL_OPTIONS" -}}
{{- $_ := set . "value" (printf `@cel (%s.map(o, o.endsWith(%s) ? o : o + " " + %s) + [%s])[0]` $own (toJson .value) (toJson .value) (toJson .value)) -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range $known -}}{{- $names = append $names .name -}}{{- end -}}
c.?env.orValue([]).filter(e, !(e.name in {{ $names | uniq | toJson }})) +
(variables.configMap == "" ? {{ include "sealcar.cel" $known }} : {{ include "sealcar.cel" $unknown }})
{{- end -}}
