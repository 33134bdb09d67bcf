{{/* sealcar.name: the name of a part, e.g. (list . "enclave"). */}}
{{- define "sealcar.name" -}}
{{- $root := index . 0 -}}
{{- $release := $root.Release.Name -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $release) -}}
{{- fail (printf "the release cannot be named %q: Services are named after it, so it has to begin with a letter and have no dots" $release) -}}
{{- end -}}
{{- $base := ternary $release (printf "%s-sealcar" $release) (contains "sealcar" $release) -}}
{{- printf "%s-%s" ($base | trunc 50 | trimSuffix "-") (index . 1) -}}
{{- end -}}

{{/* sealcar.selector: labels that tell the pods of a part. */}}
{{- define "sealcar.selector" -}}
app.kubernetes.io/name: sealcar
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* sealcar.labels: labels of everything of a part. */}}
{{- define "sealcar.labels" -}}
{{- $root := index . 0 -}}
{{ include "sealcar.selector" . }}
app.kubernetes.io/part-of: sealcar
app.kubernetes.io/version: {{ $root.Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{/* sealcar.ownImage: the image of this chart, with the tag it has by default. */}}
{{- define "sealcar.ownImage" -}}
{{- include "sealcar.image" (set (deepCopy .Values.image) "tag" (.Values.image.tag | default (.Chart.AppVersion | replace "+" "_"))) -}}
{{- end -}}

{{/* sealcar.test.container: what the containers of helm test have in common. */}}
{{- define "sealcar.test.container" -}}
image: {{ include "sealcar.ownImage" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources:
  requests: {cpu: 10m, memory: 32Mi}
  limits: {memory: 128Mi}
securityContext:
  {{- include "sealcar.securityContext" . | nindent 2 }}
{{- end -}}

{{/* sealcar.podSecurityContext: of the pods of this chart. */}}
{{- define "sealcar.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* sealcar.serviceAccount: the name of a part's, e.g. (list . "gateway" .Values.gateway). */}}
{{- define "sealcar.serviceAccount" -}}
{{- (index . 2).serviceAccount.name | default (include "sealcar.name" .) -}}
{{- end -}}

{{/*
sealcar.scheduling: of the pods of a part that may be many, spread over nodes and
zones, e.g. (list . "gateway" .Values.gateway).
*/}}
{{- define "sealcar.scheduling" -}}
{{- $part := index . 2 -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sealcar.selector" (list (index $ 0) (index $ 1)) | nindent 8 }}
  {{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* sealcar.preStop: the lifecycle of what a Service leads to; empty before Kubernetes 1.30, which has no such sleep. */}}
{{- define "sealcar.preStop" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
lifecycle:
  preStop:
    sleep: {seconds: 5} # until nothing new is sent here any more
{{- end -}}
{{- end -}}

{{/* sealcar.disruption: the PodDisruptionBudget of a part, e.g. (list . "gateway"). */}}
{{- define "sealcar.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "sealcar.name" . }}
  namespace: {{ (index . 0).Release.Namespace | quote }}
  labels:
    {{- include "sealcar.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "sealcar.selector" . | nindent 6 }}
{{- end -}}
