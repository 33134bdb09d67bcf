{{/* sealcar.enclave.secret: the name of the Secret with its keys. */}}
{{- define "sealcar.enclave.secret" -}}
{{- .Values.enclave.keys.existingSecret | default (include "sealcar.name" (list . "enclave")) -}}
{{- end -}}

{{/* sealcar.enclave.host: the name or address that sidecars reach it at, as in a URL. */}}
{{- define "sealcar.enclave.host" -}}
{{- $address := .Values.enclave.service.clusterIP -}}
{{- if contains ":" $address -}}
{{- printf "[%s]" $address -}}
{{- else -}}
{{- $address | default (printf "%s.%s.svc" (include "sealcar.name" (list . "enclave")) .Release.Namespace) -}}
{{- end -}}
{{- end -}}

{{/*
sealcar.enclave.keys: the content of the Secret, as JSON. It is made once: an
upgrade takes what is in the cluster, and within one rendering all get the same.
One CA does for all, for sidecars are given the endpoint's certificate alone;
every pod issues its own certificates, for one endpoint key. They are kept in
.Release, which all templates of one rendering share: keys that are random would be
others in each.
*/}}
{{- define "sealcar.enclave.keys" -}}
{{- if not (hasKey .Release "sealcarKeys") -}}
{{- $keys := dict -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "sealcar.name" (list . "enclave")) -}}
{{- if $found -}}
{{- range $name, $content := $found.data -}}{{- $_ := set $keys $name ($content | b64dec) -}}{{- end -}}
{{- include "sealcar.enclave.rotate" (list $keys .Values.enclave.keys.rotation) -}}
{{- else -}}
{{- $ca := genCAWithKey "sealcar enclave CA" 3650 (genPrivateKey "ecdsa") -}}
{{- $keys = dict "roots.pem" $ca.Cert -}}
{{- range list "root.key" "sub-ca.key" "tls-ca.key" -}}{{- $_ := set $keys . (print $ca.Key $ca.Cert) -}}{{- end -}}
{{- $_ := set $keys "endpoint.key" (genPrivateKey "ecdsa") -}}
{{- $_ := set $keys "api-key" (printf "sk-%s" (randAlphaNum 40)) -}}
{{- $_ := set $keys "ak" (printf "AKLT%s" (randAlphaNum 40)) -}}
{{- $_ := set $keys "sk" (randAlphaNum 40) -}}
{{- if eq .Values.enclave.keys.rotation "prepare" -}}{{/* the Secret that was prepared is gone */}}
{{- include "sealcar.enclave.rotate" (list $keys "prepare") -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Release "sealcarKeys" $keys -}}
{{- end -}}
{{- toJson .Release.sealcarKeys -}}
{{- end -}}

{{/*
sealcar.enclave.rotate: changes the keys of the Secret. First all pods accept the
next key (prepare), then it is the endpoint's, and the former one is accepted
(switch). The Secret remembers the step, so that a step repeated changes nothing.
*/}}
{{- define "sealcar.enclave.rotate" -}}
{{- $keys := index . 0 -}}
{{- $step := index . 1 -}}
{{- $done := get $keys "rotation" -}}
{{- if and (eq $step "prepare") (ne $done "prepare") -}}
{{- $_ := set $keys "endpoint-accepted.key" (genPrivateKey "ecdsa") -}}
{{- $_ := set $keys "rotation" "prepare" -}}
{{- else if and (eq $step "switch") (eq $done "prepare") -}}
{{- $former := get $keys "endpoint.key" -}}
{{- $_ := set $keys "endpoint.key" (get $keys "endpoint-accepted.key") -}}
{{- $_ := set $keys "endpoint-accepted.key" $former -}}
{{- $_ := set $keys "rotation" "switch" -}}
{{- else if and (eq $step "switch") (ne $done "switch") -}}
{{- fail "enclave.keys.rotation: switch comes after prepare, when all pods have the next key" -}}
{{- end -}}
{{- end -}}

{{/* sealcar.enclave.roots: PEM that sidecars trust. */}}
{{- define "sealcar.enclave.roots" -}}
{{- if .Values.enclave.keys.existingSecret -}}
{{- required "enclave.keys.roots is required with enclave.keys.existingSecret: the PEM that sidecars shall trust (roots.pem of the state directory)" .Values.enclave.keys.roots -}}
{{- else -}}
{{- get (fromJson (include "sealcar.enclave.keys" .)) "roots.pem" -}}
{{- end -}}
{{- end -}}

{{/* sealcar.enclave.sidecarConfig: the configuration of sidecars that talk to it. */}}
{{- define "sealcar.enclave.sidecarConfig" -}}
{{- $roots := include "sealcar.enclave.roots" . -}}
routes:
  - name: enclave
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://{{ include "sealcar.enclave.host" . }}:{{ .Values.enclave.service.port }}
    upstream_ca: {{ toJson $roots }}
    certificate:
      roots: {{ toJson $roots }}
      revocation: {mode: "off"} # its PKI has no CRL
{{- end -}}
