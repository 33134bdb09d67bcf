{{/*
What is internal takes the settings (values.yaml) as a dict; what is public
(sealcar.sidecar, .volumes, .appEnv, .appVolumeMounts) takes the root context of
the chart that includes it.
*/}}

{{/* sealcar.settings: the settings of the including chart, as YAML. */}}
{{- define "sealcar.settings" -}}
{{- $given := .Values.sealcar | default (index .Values "sealcar-sidecar") -}}
{{- if not $given -}}
{{- fail "sealcar: no settings: depend on sealcar-sidecar with `alias: sealcar` and set image.repository below it" -}}
{{- end -}}
{{- if and $given.config $given.configMap -}}
{{- fail "sealcar: config and configMap are both set; choose one" -}}
{{- end -}}
{{- toYaml $given -}}
{{- end -}}

{{/* sealcar.image: the image's reference. */}}
{{- define "sealcar.image" -}}
{{- if not .repository -}}
{{- fail "image.repository is required: there is no public image yet, so push one (make image, make image-tar) and name it: --set image.repository=registry.example/sealcar" -}}
{{- end -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ required "image.tag is required" .tag }}
{{- end -}}
{{- end -}}

{{/* sealcar.hosts: the hosts that have a route, as a JSON list below "hosts". */}}
{{- define "sealcar.hosts" -}}
{{- $hosts := .hosts | default list -}}
{{- if .config -}}
{{- $config := fromYaml .config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "sealcar: config is not YAML: %s" $config.Error) -}}
{{- end -}}
{{- if not (kindIs "slice" ($config.routes | default list)) -}}
{{- fail "sealcar: config: routes is not a list" -}}
{{- end -}}
{{- range $i, $route := $config.routes -}}
{{- if not (and (kindIs "map" $route) (kindIs "slice" (dig "hosts" list $route | default list))) -}}
{{- fail (printf "sealcar: config: routes[%d] is not a route with a list of hosts" $i) -}}
{{- end -}}
{{- $hosts = concat $hosts ($route.hosts | default list) -}}
{{- end -}}
{{- end -}}
{{- if and (not $hosts) (not .configMap) -}}
{{- $hosts = list "ark.cn-beijing.volces.com" "ark.ap-southeast.bytepluses.com" -}}
{{- end -}}
{{- dict "hosts" $hosts | toJson -}}
{{- end -}}

{{/* sealcar.securityContext: what Pod Security `restricted` asks for, and a root file system that nobody writes to. */}}
{{- define "sealcar.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsGroup: 65532
runAsNonRoot: true
runAsUser: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}
