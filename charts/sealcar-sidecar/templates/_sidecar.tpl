{{/*
sealcar.sidecar: the container, for the list of initContainers; put it first.

    initContainers:
      {{- include "sealcar.sidecar" . | nindent 8 }}
*/}}
{{- define "sealcar.sidecar" -}}
{{- $s := fromYaml (include "sealcar.settings" .) -}}
{{- $library := dict -}}
{{- range list "sealcar" "sealcar-sidecar" -}}
{{- with index $.Subcharts . -}}{{- $library = .Chart -}}{{- end -}}
{{- end -}}
{{- $_ := set $s.image "tag" ($s.image.tag | default ($library.AppVersion | replace "+" "_")) -}}
{{- list (fromYaml (include "sealcar.container" $s)) | toYaml -}}
{{- end -}}

{{/*
sealcar.container: the container as YAML.

There is no preStop hook. The kubelet ends native sidecars after the containers
of the application have ended, so when SIGTERM comes nobody sends requests any
more; what is open still (timeouts.drain) is what an application left behind.
*/}}
{{- define "sealcar.container" -}}
{{- if eq (int .port) (int .adminPort) -}}
{{- fail (printf "sealcar: port and adminPort are both %d; choose two" (int .port)) -}}
{{- end -}}
name: sealcar
image: {{ include "sealcar.image" .image | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
restartPolicy: Always # a native sidecar: up before the application, gone after it, no hindrance to a Job's end
args: [run]
env:
  {{- include "sealcar.containerEnv" . | nindent 2 }}
ports:
  - name: sealcar-admin
    containerPort: {{ .adminPort }}
startupProbe:
  httpGet:
    path: {{ ternary "/readyz" "/healthz" .waitForCertificate }}
    port: {{ .adminPort }}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet:
    path: /readyz?kubelet # a refused configuration becomes an Event; older images ignore the query
    port: {{ .adminPort }}
  periodSeconds: 5 # less than the 15 s for which it is told
  timeoutSeconds: 2
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .adminPort }}
  periodSeconds: 10
  timeoutSeconds: 2
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "sealcar.securityContext" . | nindent 2 }}
volumeMounts:
  - name: sealcar-state
    mountPath: /var/lib/sealcar
  - name: sealcar-ca
    mountPath: /var/run/sealcar
  - name: sealcar-no-token # in the place of the pod's token for the cluster's API, which the sidecar has no use for
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- if .configMap }}
  {{- include "sealcar.configMount" . | nindent 2 }}
  {{- end }}
  {{- if .trustBundle }}
  - name: sealcar-trust
    mountPath: /etc/sealcar-trust
    readOnly: true
  {{- end }}
  {{- range .secrets }}
  {{- include "sealcar.secretMount" . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* sealcar.configMount: where the sidecar finds its ConfigMap. */}}
{{- define "sealcar.configMount" -}}
- name: sealcar-config
  mountPath: /etc/sealcar
  readOnly: true
{{- end -}}

{{/* sealcar.secretMount: where it finds the Secret of a name. */}}
{{- define "sealcar.secretMount" -}}
- name: sealcar-secret-{{ . }}
  mountPath: /var/run/secrets/sealcar/{{ . }}
  readOnly: true
{{- end -}}

{{/* sealcar.containerEnv: what this container needs, over whatever the configuration says. */}}
{{- define "sealcar.containerEnv" -}}
- name: SEALCAR_LISTEN
  value: 127.0.0.1:{{ .port }}
- name: SEALCAR_ADMIN_LISTEN
  value: :{{ .adminPort }}
- name: SEALCAR_STATE_DIR
  value: /var/lib/sealcar/state
- name: SEALCAR_INTERCEPTION_PUBLIC_DIR
  value: /var/run/sealcar
- name: SEALCAR_LOG_LEVEL
  value: {{ .logLevel }}
{{- if .strict }}
- name: SEALCAR_STRICT
  value: "true"
{{- end }}
{{- if or .configMap .config }}
{{ include "sealcar.configEnv" . }}
{{- end }}
{{- if .trustBundle }}
- name: SSL_CERT_FILE
  value: /etc/sealcar-trust/ca-certificates.crt
{{- end }}
{{- end -}}

{{/*
sealcar.configEnv: where its configuration is. In a variable's value Kubernetes takes $$
for $, and $(NAME) for another variable.
*/}}
{{- define "sealcar.configEnv" -}}
{{- if .configMap -}}
- name: SEALCAR_CONFIG
  value: /etc/sealcar/sealcar.yaml
{{- else if .config -}}
- name: SEALCAR_CONFIG_YAML
  value: {{ .config | replace "$" "$$" | toJson }}
{{- end -}}
{{- end -}}
