{{/* The certificates that the services show each other: where a pod has its own from. */}}

{{/* The key of the values of a certificate's owner, by its name. */}}
{{- define "turnpike.identities" -}}
spool-store: spoolStore
auth-service: authService
gateway-dequeue: gatewayDequeue
smtp-frontend: smtpFrontend
outbound-delivery: outboundDelivery
turnpikectl: turnpikectl
keda: keda
{{- end }}

{{/* The names by which others call a service, as a YAML list; of {root, name}. */}}
{{- define "turnpike.dnsNames" -}}
{{- $host := printf "%s-%s" (include "turnpike.fullname" .root) .name }}
{{- $within := printf "%s.%s.svc" $host .root.Release.Namespace }}
{{- if has .name (list "turnpikectl" "keda") }}
{{- list $within | toYaml }}
{{- else if eq .name "spool-store" }}
{{- list $host $within (printf "*.%s" $within) | toYaml }}
{{- else }}
{{- list $host $within | toYaml }}
{{- end }}
{{- end }}

{{/* The Secret with a certificate, in the modes that have one; of {root, name}. */}}
{{- define "turnpike.tlsSecret" -}}
{{- if eq .root.Values.tls.mode "existingSecrets" }}
{{- index .root.Values.tls.existingSecrets (index (include "turnpike.identities" . | fromYaml) .name) }}
{{- else }}
{{- printf "%s-%s-tls" (include "turnpike.fullname" .root) .name }}
{{- end }}
{{- end }}

{{- define "turnpike.authoritySecret" -}}
{{- .Values.tls.helm.authoritySecret | default (printf "%s-authority" (include "turnpike.fullname" .)) }}
{{- end }}

{{/* What each container sees of it; of {root, name}. */}}
{{- define "turnpike.tlsMounts" -}}
{{- if eq .root.Values.tls.mode "helm" -}}
- {name: service-tls, mountPath: /run/secrets/turnpike/services, readOnly: true}
{{- else if ne .root.Values.tls.mode "disabled" -}}
- {name: service-tls, mountPath: /run/secrets/turnpike/services/{{ .name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* The volumes; of {root, name}. */}}
{{- define "turnpike.tlsVolumes" -}}
{{- if eq .root.Values.tls.mode "helm" -}}
- name: service-tls
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: authority
  secret: {secretName: {{ include "turnpike.authoritySecret" .root }}, defaultMode: 0440}
{{- else if ne .root.Values.tls.mode "disabled" -}}
- name: service-tls
  secret: {secretName: {{ include "turnpike.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/*
The container that makes the pod's certificate before the others start; of {root, name}. Only it sees the
authority's key.
*/}}
{{- define "turnpike.tlsContainer" -}}
{{- if eq .root.Values.tls.mode "helm" -}}
{{- $command := list "/usr/bin/turnpikectl" "certificate" "issue" .name
      "--authority" "/run/secrets/authority" "--directory" "/run/secrets/turnpike/services"
      "--trust-domain" .root.Values.tls.trustDomain "--days" (toString .root.Values.tls.helm.certificateDays) -}}
- name: certificate
  image: {{ include "turnpike.image" (dict "root" .root "name" "turnpikectl") }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command:
    {{- concat $command (include "turnpike.dnsNames" . | fromYamlArray) | toYaml | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext:
    {{- include "turnpike.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
  volumeMounts:
    - {name: authority, mountPath: /run/secrets/authority, readOnly: true}
    - {name: service-tls, mountPath: /run/secrets/turnpike/services}
{{- end }}
{{- end }}
