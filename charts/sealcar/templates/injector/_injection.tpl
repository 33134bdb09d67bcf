{{/*
sealcar.injector.settings: of injected sidecars, as the library chart takes them, in JSON.
*/}}
{{- define "sealcar.injector.settings" -}}
{{- $s := deepCopy .Values.injector.sidecar -}}
{{- if and (not $s.config) .Values.enclave.enabled -}}
{{- $_ := set $s "config" (include "sealcar.enclave.sidecarConfig" .) -}}
{{- end -}}
{{- $_ := set $s "image" .Values.image -}}
{{- $_ := set $s.image "tag" (.Values.image.tag | default (.Chart.AppVersion | replace "+" "_")) -}}
{{- toJson $s -}}
{{- end -}}

{{/*
sealcar.injection: what is added to pods, in JSON. It is the library chart's, taken
apart into what every pod gets and what depends on its annotations; $(name) stands for
the name of the ConfigMap or Secret that one gives. The policy makes CEL of it, and
the webhook reads it as it is (webhook.Settings), so that both add the same.
*/}}
{{- define "sealcar.injection" -}}
{{- $s := fromJson (include "sealcar.injector.settings" .) -}}
{{- $bare := set (set (deepCopy $s) "config" "") "strict" false -}}
{{- $named := set (deepCopy $bare) "configMap" "$(name)" -}}
{{- $c := fromYaml (include "sealcar.container" $bare) -}}
{{- dict
  "name" (include "sealcar.injector.name" .)
  "annotations" (fromJson (include "sealcar.injector.annotations" .))
  "excludedNamespaces" (fromJsonArray (include "sealcar.injector.excluded" .))
  "container" (omit $c "env" "volumeMounts")
  "strict" (ternary "true" "" $s.strict)
  "appMounts" (fromYamlArray (include "sealcar.appVolumeMounts" .))
  "always" (dict
    "env" $c.env
    "mounts" $c.volumeMounts
    "volumes" (fromYamlArray (include "sealcar.podVolumes" dict)))
  "inline" (dict
    "env" (fromYamlArray (include "sealcar.configEnv" $s))
    "appEnv" (fromYamlArray (include "sealcar.clientEnv" $s)))
  "configMap" (dict
    "env" (fromYamlArray (include "sealcar.configEnv" $named))
    "mounts" (fromYamlArray (include "sealcar.configMount" $named))
    "volumes" (fromYamlArray (include "sealcar.configVolume" "$(name)"))
    "appEnv" (fromYamlArray (include "sealcar.clientEnv" $named)))
  "secret" (dict
    "mounts" (fromYamlArray (include "sealcar.secretMount" "$(name)"))
    "volumes" (fromYamlArray (include "sealcar.secretVolume" "$(name)")))
  | toJson -}}
{{- end -}}

{{/* sealcar.injector.name: whose injection it is, in a cluster that may have several injectors. */}}
{{- define "sealcar.injector.name" -}}
{{- printf "%s/%s" .Release.Namespace (include "sealcar.name" (list . "injector")) -}}
{{- end -}}

{{/*
sealcar.injector.annotations: what annotations of a pod have to look like, in JSON.
What passes may still be wrong: Kubernetes and the sidecar say so. What does not
would come to light late, in a pod that does not start. Of sealcar/secrets it is
each part of the list; a Secret's name becomes part of a volume's, a DNS label with
15 characters in front.
*/}}
{{- define "sealcar.injector.annotations" -}}
{{- $quantity := dict "pattern" "^[0-9]+(\\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$" "want" "a quantity such as 50m or 64Mi" -}}
{{- dict
  "sealcar/image" (dict "pattern" "^[^\\s]+$" "want" "the reference of an image")
  "sealcar/log-level" (dict "pattern" "^(debug|info|warn|error)$" "want" "debug, info, warn or error")
  "sealcar/strict" (dict "pattern" "^(true|false)$" "want" "true or false")
  "sealcar/cpu" $quantity
  "sealcar/memory" $quantity
  "sealcar/memory-limit" $quantity
  "sealcar/config-map" (dict "pattern" "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" "want" "the name of a ConfigMap")
  "sealcar/secrets" (dict "pattern" "^[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?$" "want" "names of Secrets, each without dots and of at most 48 characters")
  | toJson -}}
{{- end -}}

{{/* sealcar.injector.ownLabels: labels of ours that a pod may have, the first by its author's hand, in JSON. The webhook has the same list. */}}
{{- define "sealcar.injector.ownLabels" -}}
{{- list "sealcar/inject" "sealcar/injected" "sealcar/gateway" | toJson -}}
{{- end -}}

{{/* sealcar.injector.wishes: annotations that a pod's author sets, in JSON. */}}
{{- define "sealcar.injector.wishes" -}}
{{- append (keys (fromJson (include "sealcar.injector.annotations" .))) "sealcar/skip-containers" | sortAlpha | toJson -}}
{{- end -}}

{{/* sealcar.injector.ownAnnotations: annotations of ours that a pod may have, in JSON. */}}
{{- define "sealcar.injector.ownAnnotations" -}}
{{- concat (fromJsonArray (include "sealcar.injector.wishes" .)) (list "sealcar/status" "sealcar/injected-by" "sealcar/keys") | toJson -}}
{{- end -}}

{{/* sealcar.injector.excluded: namespaces whose pods are never touched, in JSON. A cluster that could not start its own pods would be lost. */}}
{{- define "sealcar.injector.excluded" -}}
{{- concat (list "kube-system") .Values.injector.excludedNamespaces | uniq | toJson -}}
{{- end -}}

{{/* sealcar.injector.mode: policy or webhook. */}}
{{- define "sealcar.injector.mode" -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- $hasPolicy := semverCompare ">=1.36.0-0" $version -}}
{{- $mode := .Values.injector.mode | default "auto" -}}{{/* empty after --reuse-values from a chart without it */}}
{{- if eq $mode "auto" -}}
{{- ternary "policy" "webhook" $hasPolicy -}}
{{- else -}}
{{- if and (eq $mode "policy") (not $hasPolicy) -}}
{{- fail (printf "injector.mode=policy needs Kubernetes 1.36 (MutatingAdmissionPolicy), and this is %s: leave it at auto, or set it to webhook" $version) -}}
{{- end -}}
{{- $mode -}}
{{- end -}}
{{- end -}}

{{/* sealcar.injector.namespaces: selector of the namespaces of those that it changes: "namespaces" that are labelled, or "pods" that are in others. */}}
{{- define "sealcar.injector.namespaces" -}}
matchExpressions:
  - key: sealcar/inject
    operator: {{ ternary "In" "NotIn" (eq . "namespaces") }}
    values: [enabled, "true"] # the second is the value that pods have
{{- end -}}

{{/* sealcar.injector.pods: selector of the pods of the same. One labelled with neither true nor false is selected in order to be refused: its author wants something. */}}
{{- define "sealcar.injector.pods" -}}
matchExpressions:
  {{- if eq . "pods" }}
  - key: sealcar/inject
    operator: Exists
  {{- end }}
  - key: sealcar/inject
    operator: NotIn
    values: ["false"]
{{- end -}}
