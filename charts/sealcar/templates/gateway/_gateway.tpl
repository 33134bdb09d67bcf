{{/* sealcar.gateway.names: the names and the fixed address that applications call it by, as a JSON list below "names". */}}
{{- define "sealcar.gateway.names" -}}
{{- $name := include "sealcar.name" (list . "gateway") -}}
{{- $names := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- with .Values.gateway.service.clusterIP -}}
{{- $names = append $names (ternary (printf "[%s]" .) . (contains ":" .)) -}}
{{- end -}}
{{- dict "names" (concat $names .Values.gateway.names | uniq) | toJson -}}
{{- end -}}

{{/*
sealcar.gateway.config: its configuration. The text of the values stays as it is, for
a number that went through Helm may not be the same; what the chart knows better is
in the environment. Of the names, a list, there is no variable: they are put in front
of the first key, at its indentation, unless the text has its own.
*/}}
{{- define "sealcar.gateway.config" -}}
{{- $text := .Values.gateway.config -}}
{{- if and (not $text) .Values.enclave.enabled -}}
{{- $text = include "sealcar.enclave.sidecarConfig" . -}}
{{- end -}}
{{- if hasKey (fromYaml $text) "Error" -}}
{{- fail (printf "gateway.config is not YAML: %s" (fromYaml $text).Error) -}}
{{- end -}}
{{- $before := fromYaml $text -}}
{{- if not (hasKey $before "allowed_hosts") -}}
{{- $names := printf "\"allowed_hosts\": %s" (toJson (fromJson (include "sealcar.gateway.names" .)).names) -}}
{{- $text = regexReplaceAll `^(\s|#.*\n)*---[ \t]*(#.*)?(\n|$)` $text "" -}}
{{- if regexMatch `^(\s|#.*\n)*\{` $text -}}
{{- $text = regexReplaceAll `^((?:\s|#.*\n)*)\{` $text (printf "${1}{%s, " $names) -}}
{{- else -}}
{{- $indent := regexFind "^ *" (regexFind `(?m)^ *[^\s#]` $text) -}}
{{- $text = printf "%s%s\n%s" $indent $names $text -}}
{{- end -}}
{{- if ne (omit (fromYaml $text) "allowed_hosts" | toJson) (toJson $before) -}}
{{- fail "gateway.config: the names of the gateway's Service cannot be put in front of it; give it allowed_hosts with all of them" -}}
{{- end -}}
{{- end -}}
{{ $text }}
{{- end -}}

{{/* sealcar.gateway.env: what the pod decides, over whatever the configuration says. */}}
{{- define "sealcar.gateway.env" -}}
{{- $secrets := "/var/run/secrets/sealcar" -}}
- {name: SEALCAR_CONFIG, value: /etc/sealcar/sealcar.yaml}
- {name: SEALCAR_LISTEN, value: ":8443"}
- {name: SEALCAR_ADMIN_LISTEN, value: ":14090"}
- {name: SEALCAR_STATE_DIR, value: /var/lib/sealcar/state}
- {name: SEALCAR_LOG_LEVEL, value: {{ .Values.gateway.logLevel }}}
- {name: SEALCAR_TIMEOUTS_DRAIN, value: {{ .Values.gateway.drainSeconds }}s}
- {name: SEALCAR_EGRESS_DEFAULT, value: {{ .Values.gateway.egress }}}
- {name: SEALCAR_LISTEN_TLS_CERT_FILE, value: {{ $secrets }}/tls/tls.crt}
- {name: SEALCAR_LISTEN_TLS_KEY_FILE, value: {{ $secrets }}/tls/tls.key}
{{- if .Values.gateway.clients.caSecret }}
- {name: SEALCAR_LISTEN_TLS_CLIENT_CA_FILE, value: {{ $secrets }}/client-ca/ca.crt}
{{- end }}
{{- if .Values.gateway.clients.tokensSecret }}
- {name: SEALCAR_CLIENT_AUTH_TOKEN_FILE, value: {{ $secrets }}/tokens/tokens}
{{- end }}
{{- if .Values.gateway.interceptionSecret }}
- {name: SEALCAR_INTERCEPTION_CA_CERT_FILE, value: {{ $secrets }}/interception/tls.crt}
- {name: SEALCAR_INTERCEPTION_CA_KEY_FILE, value: {{ $secrets }}/interception/tls.key}
{{- end }}
{{- end -}}

{{/* sealcar.gateway.mounts: where it finds what it reads. */}}
{{- define "sealcar.gateway.mounts" -}}
{{- $g := .Values.gateway -}}
- {name: state, mountPath: /var/lib/sealcar}
- {name: config, mountPath: /etc/sealcar, readOnly: true}
- {name: tls, mountPath: /var/run/secrets/sealcar/tls, readOnly: true}
{{- if $g.clients.tokensSecret }}
- {name: tokens, mountPath: /var/run/secrets/sealcar/tokens, readOnly: true}
{{- end }}
{{- if $g.clients.caSecret }}
- {name: client-ca, mountPath: /var/run/secrets/sealcar/client-ca, readOnly: true}
{{- end }}
{{- if $g.interceptionSecret }}
- {name: interception, mountPath: /var/run/secrets/sealcar/interception, readOnly: true}
{{- end }}
{{- range $g.secrets }}
- {name: secret-{{ . }}, mountPath: /var/run/secrets/sealcar/{{ . }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* sealcar.gateway.volumes: the volumes of the same. */}}
{{- define "sealcar.gateway.volumes" -}}
{{- $g := .Values.gateway -}}
{{- range $g.secrets -}}
{{- if has . (list "tls" "tokens" "client-ca" "interception") }}
{{- fail (printf "gateway.secrets: a Secret cannot be named %q, for the gateway has one of its own mounted there; give it another name" .) }}
{{- end }}
{{- end }}
- name: state
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
- name: config
  configMap: {name: {{ include "sealcar.name" (list . "gateway") }}}
- name: tls
  secret: {secretName: {{ required "gateway.tlsSecret is required: a Secret of type kubernetes.io/tls for the names of the gateway's Service" $g.tlsSecret | quote }}, defaultMode: 0440}
{{- with $g.clients.tokensSecret }}
- name: tokens
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with $g.clients.caSecret }}
- name: client-ca
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with $g.interceptionSecret }}
- name: interception
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- range $g.secrets }}
- name: secret-{{ . }}
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- end -}}
