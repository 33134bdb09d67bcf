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
{{- with .configMap }}
- name: sealcar-config
  configMap:
    name: {{ . }}
{{- end }}
{{- with .trustBundle }}
- name: sealcar-trust
  configMap:
    name: {{ . }}
{{- end }}
{{- range .secrets }}
- name: sealcar-secret-{{ . }} # mounted by the sidecar alone; its user has no group (fsGroup) in somebody else's pod
  secret:
    secretName: {{ . }}
    defaultMode: 0444
{{- end }}
{{- end -}}
