{{/*
sealcar.appEnv: the environment of the application's containers, so that any
HTTP client goes through the sidecar and trusts its CA. It has to come last in
the list, so that it wins.

    env:
      {{- include "sealcar.appEnv" . | nindent 12 }}
*/}}
{{- define "sealcar.appEnv" -}}
{{- include "sealcar.clientEnv" (fromYaml (include "sealcar.settings" .)) -}}
{{- end -}}

{{/*
sealcar.appVolumeMounts: where those containers find the CA's files.

    volumeMounts:
      {{- include "sealcar.appVolumeMounts" . | nindent 12 }}
*/}}
{{- define "sealcar.appVolumeMounts" -}}
- name: sealcar-ca
  mountPath: /var/run/sealcar
  readOnly: true
{{- end -}}

{{/*
sealcar.clientEnv: sealcar.appEnv of the settings, after `sealcar exec` (appenv/).
HTTP libraries agree neither on the names of the variables nor on their case.
*/}}
{{- define "sealcar.clientEnv" -}}
{{- $proxy := printf "http://127.0.0.1:%v" .port -}}
{{- $direct := (fromJson (include "sealcar.noProxy" .)).hosts -}}
{{- range list "HTTP_PROXY" "http_proxy" "HTTPS_PROXY" "https_proxy" "ALL_PROXY" "all_proxy" }}
- name: {{ . }}
  value: {{ $proxy }}
{{- end }}
{{- range list "NO_PROXY" "no_proxy" }}
- name: {{ . }}
  value: {{ join "," $direct | quote }}
{{- end }}
- name: NODE_USE_ENV_PROXY # Node from 22.21 and 24 on
  value: "1"
- name: AIOHTTP_TRUST_ENV # litellm
  value: "True"
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "CURL_CA_BUNDLE" }}
- name: {{ . }}
  value: /var/run/sealcar/ca-bundle.crt
{{- end }}
- name: NODE_EXTRA_CA_CERTS
  value: /var/run/sealcar/ca.crt
- name: JAVA_TOOL_OPTIONS
  value: {{ include "sealcar.javaOptions" . | quote }}
{{- with .app.baseURL }}
- name: OPENAI_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* sealcar.javaOptions: the JVM reads none of the other variables. */}}
{{- define "sealcar.javaOptions" -}}
{{- $direct := list -}}
{{- range (fromJson (include "sealcar.noProxy" .)).hosts -}}
{{- $host := regexReplaceAll "^\\[?([^]/]*:[^]/]*:[^]/]*)\\]?(:[0-9]+)?$" . "[${1}]" -}}
{{- if not (hasPrefix "[" $host) -}}{{- $host = regexReplaceAll ":[0-9]+$" $host "" -}}{{- end -}}
{{- if hasPrefix "." $host -}}{{- $direct = append $direct (printf "*%s" $host) -}}
{{- else if not (contains "/" $host) -}}{{- $direct = append $direct $host -}}{{- end -}}
{{- end -}}
{{- $options := list -}}
{{- range list "http" "https" -}}
{{- $options = concat $options (list (printf "-D%s.proxyHost=127.0.0.1" .) (printf "-D%s.proxyPort=%v" . $.port)) -}}
{{- end -}}
{{- $options = append $options (printf "-Dhttp.nonProxyHosts=%s" (join "|" $direct)) -}}
{{- $options = concat $options (list "-Djavax.net.ssl.trustStore=/var/run/sealcar/truststore.p12" "-Djavax.net.ssl.trustStoreType=PKCS12" "-Djavax.net.ssl.trustStorePassword=changeit") -}}
{{- join " " $options -}}
{{- end -}}

{{/*
sealcar.noProxy: what goes around the proxy, as a JSON list below "hosts": this
pod, the cluster, and app.noProxy, but nothing that any client could take to
cover a routed host, whose traffic would go around the sidecar in clear. Where
the routed hosts are not known, which is with a configMap without hosts, it is
this pod and the cluster's API alone.
*/}}
{{- define "sealcar.noProxy" -}}
{{- $routed := (fromJson (include "sealcar.hosts" .)).hosts -}}
{{- $wanted := list "localhost" "127.0.0.1" "::1" "$(KUBERNETES_SERVICE_HOST)" -}}
{{- if $routed -}}
{{- $wanted = concat $wanted (list ".svc" ".cluster.local") .app.noProxy -}}
{{- end -}}
{{- range $routed -}}
{{- if include "sealcar.isAddress" . -}}
{{- range $.app.noProxy -}}
{{- if or (contains "/" .) (contains "::" .) (regexMatch ":.*:" .) -}}
{{- fail (printf "app.noProxy: %q is a range or an IPv6 address, and a route is for an address: what it covers cannot be told here; name the hosts" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $kept := list -}}
{{- range $wanted -}}
{{- $item := . -}}
{{- $covers := false -}}
{{- range $routed -}}
{{- if include "sealcar.covers" (list $item .) -}}{{- $covers = true -}}{{- end -}}
{{- end -}}
{{- if not $covers -}}{{- $kept = append $kept $item -}}{{- end -}}
{{- end -}}
{{- dict "hosts" ($kept | uniq) | toJson -}}
{{- end -}}

{{/* sealcar.isAddress: true if a routed host is an address; else empty. */}}
{{- define "sealcar.isAddress" -}}
{{- if or (regexMatch "^[0-9.]+(:[0-9]+)?$" .) (regexMatch ":.*:" .) -}}true{{- end -}}
{{- end -}}

{{/*
sealcar.covers: true if any client could take an item of NO_PROXY to cover a
routed host, e.g. (list ".svc" "model.ai.svc:8443"); else empty. The widest
reading decides: a port is no bound, and a name covers whatever ends in it. An
address of IPv6 has many spellings, so that one covers all.
*/}}
{{- define "sealcar.covers" -}}
{{- $item := index . 0 -}}
{{- $host := index . 1 | trim | lower -}}
{{- if regexMatch ":.*:" $item -}}
{{- if regexMatch ":.*:" $host -}}true{{- end -}}
{{- else -}}
{{- $ending := regexReplaceAll ":[0-9]+$" $item "" | trimPrefix "*" | trimAll "." | lower -}}
{{- if or (eq $ending "") (contains "*" $ending) (hasSuffix $ending (regexReplaceAll ":[0-9]+$" $host "" | trimAll ".")) -}}true{{- end -}}
{{- end -}}
{{- end -}}
