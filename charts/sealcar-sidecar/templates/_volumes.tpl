{{/*
sealcar.volumes: the volumes that sealcar.sidecar and sealcar.appVolumeMounts
mount, for the pod's list.

    volumes:
      {{- include "sealcar.volumes" . | nindent 8 }}
*/}}
{{- define "sealcar.volumes" -}}
{{- include "sealcar.podVolumes" (fromYaml (include "sealcar.settings" .)) -}}
{{- end -}}

{{/* sealcar.podVolumes: the same of the settings. */}}
{{- define "sealcar.podVolumes" -}}
- name: sealcar-state # the CA's key and the certificate cache: in memory, mounted by the sidecar alone
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
- name: sealcar-ca # what applications trust: public
  emptyDir:
    sizeLimit: 16Mi
- name: sealcar-no-token # empty
  emptyDir:
    sizeLimit: 1Mi
{{- with .configMap }}
{{ include "sealcar.configVolume" . }}
{{- end }}
{{- with .trustBundle }}
- name: sealcar-trust
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- range .secrets }}
{{ include "sealcar.secretVolume" . }}
{{- end }}
{{- end -}}

{{/* sealcar.configVolume: of the ConfigMap of a name. */}}
{{- define "sealcar.configVolume" -}}
- name: sealcar-config
  configMap:
    name: {{ . | quote }}
{{- end -}}

{{/* sealcar.secretVolume: of the Secret of a name. Its mode: it is mounted by the sidecar alone, whose user has no group (fsGroup) in somebody else's pod. */}}
{{- define "sealcar.secretVolume" -}}
- name: sealcar-secret-{{ . }}
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0444
{{- end -}}
