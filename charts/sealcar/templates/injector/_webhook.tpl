{{/* sealcar.injector.on: true if the injector is enabled in a mode, e.g. (list . "webhook"); else empty. */}}
{{- define "sealcar.injector.on" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.injector.enabled (eq (include "sealcar.injector.mode" $root) (index . 1)) -}}true{{- end -}}
{{- end -}}

{{/* sealcar.webhook.host: the name that API servers call it by. */}}
{{- define "sealcar.webhook.host" -}}
{{- printf "%s.%s.svc" (include "sealcar.name" (list . "webhook")) .Release.Namespace -}}
{{- end -}}

{{/* sealcar.webhook.ownTLS: true if the webhook makes its certificate itself; else empty. */}}
{{- define "sealcar.webhook.ownTLS" -}}
{{- $tls := .Values.injector.webhook.tls -}}
{{- if and $tls.certManager $tls.existingSecret -}}
{{- fail "injector.webhook.tls: certManager and existingSecret are both set; choose one" -}}
{{- end -}}
{{- if not (or $tls.certManager $tls.existingSecret) -}}true{{- end -}}
{{- end -}}

{{/* sealcar.webhook.secret: the Secret with its certificate. */}}
{{- define "sealcar.webhook.secret" -}}
{{- .Values.injector.webhook.tls.existingSecret | default (printf "%s-tls" (include "sealcar.name" (list . "webhook"))) -}}
{{- end -}}

{{/* sealcar.webhook.args: its command line. */}}
{{- define "sealcar.webhook.args" -}}
- webhook
- --listen=:8443
- --admin-listen=:14090
- --settings=/etc/sealcar/injection.json
- --log-level={{ .Values.injector.webhook.logLevel }}
{{- if include "sealcar.webhook.ownTLS" . }}
- --secret={{ include "sealcar.webhook.secret" . }}
- --configuration={{ include "sealcar.name" (list . "injector") }}
- --names={{ include "sealcar.webhook.host" . }}
- --lifetime={{ .Values.injector.webhook.tls.lifetime }}
{{- else }}
- --tls-cert=/var/run/secrets/sealcar/tls/tls.crt
- --tls-key=/var/run/secrets/sealcar/tls/tls.key
{{- end }}
{{- end -}}

{{/* sealcar.webhook.registration: what the webhooks of the MutatingWebhookConfiguration have in common. */}}
{{- define "sealcar.webhook.registration" -}}
{{- $tls := .Values.injector.webhook.tls -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: {{ include "sealcar.name" (list . "webhook") }}
    namespace: {{ .Release.Namespace | quote }}
    path: /pods
    port: 443
  {{- if $tls.existingSecret }}
  caBundle: {{ required "injector.webhook.tls.caBundle is required with existingSecret: the PEM of the authority of that certificate" $tls.caBundle | b64enc }}
  {{- end }}
failurePolicy: Fail # a selected pod without the sidecar would talk in clear
reinvocationPolicy: IfNeeded # containers that others add later need the environment too
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: {{ .Values.injector.webhook.timeoutSeconds }}
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
{{- end -}}

{{/* sealcar.webhook.notOurs: pods that it is asked about are not its own, or it could not start. */}}
{{- define "sealcar.webhook.notOurs" -}}
- key: app.kubernetes.io/part-of
  operator: NotIn
  values: [sealcar]
{{- end -}}

{{/* sealcar.webhook.notExcluded: namespaces that it is asked about. */}}
{{- define "sealcar.webhook.notExcluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ include "sealcar.injector.excluded" . }}
{{- end -}}
