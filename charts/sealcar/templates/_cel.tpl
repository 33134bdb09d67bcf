{{/*
sealcar.cel: a value as a CEL expression, so that a policy adds the very
container that the library chart makes. Text that begins with @cel is an
expression itself. dyn() lets one map or list hold values of several types; the
Object types of admission policies will not do, for a server of 1.36.3 panics on
lists of them.
https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
*/}}
{{- define "sealcar.cel" -}}
{{- if kindIs "map" . -}}
{{- $members := list -}}
{{- range $key, $value := . -}}
{{- $members = append $members (printf "%s: dyn(%s)" (toJson $key) (include "sealcar.cel" $value)) -}}
{{- end -}}
{{ "{" }}{{ join ", " $members }}{{ "}" }}
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (printf "dyn(%s)" (include "sealcar.cel" .)) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else if kindIs "string" . -}}
{{- if hasPrefix "@cel " . -}}
{{- trimPrefix "@cel " . -}}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else -}}
{{ int64 . }}
{{- end -}}
{{- end -}}
