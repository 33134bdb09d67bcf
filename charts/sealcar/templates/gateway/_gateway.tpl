{{/* sealcar.gateway.names: the names that applications call it by, as a JSON list below "names". */}}
{{- define "sealcar.gateway.names" -}}
{{- $name := include "sealcar.name" (list . "gateway") -}}
{{- $names := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- dict "names" (concat $names .Values.gateway.names | uniq) | toJson -}}
{{- end -}}

{{/*
sealcar.gateway.config: its configuration. The text of the values stays as it is;
what the chart knows better is in the environment, and the names, a list, are put
in front unless the text has its own.
*/}}
{{- define "sealcar.gateway.config" -}}
{{- $text := .Values.gateway.config -}}
{{- if and (not $text) .Values.enclave.enabled -}}
{{- $text = include "sealcar.enclave.sidecarConfig" . -}}
{{- end -}}
{{- $config := fromYaml $text -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "gateway.config is not YAML: %s" $config.Error) -}}
{{- end -}}
{{- if not (hasKey $config "allowed_hosts") -}}
allowed_hosts: {{ toJson (fromJson (include "sealcar.gateway.names" .)).names }}
{{ end -}}
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
