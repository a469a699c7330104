{{/* Names, labels and facts about the services, which all templates use. */}}

{{/* What the services are called, and their ports in the pods, by the key of their values. */}}
{{- define "turnpike.services" -}}
spoolStore: {name: spool-store, config: spool_store, grpc: 7101, metrics: 7201}
authService: {name: auth-service, config: auth_service, grpc: 7102, metrics: 7202}
gatewayDequeue: {name: gateway-dequeue, config: gateway_dequeue, grpc: 7103, metrics: 7203}
smtpFrontend: {name: smtp-frontend, config: smtp_frontend, grpc: 7104, metrics: 7204}
outboundDelivery: {name: outbound-delivery, config: outbound_delivery, grpc: 7105, metrics: 7205}
{{- end }}

{{- define "turnpike.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "turnpike.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "turnpike.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "turnpike.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that never change; of {root, name}, where name is the service's. */}}
{{- define "turnpike.selectorLabels" -}}
app.kubernetes.io/name: {{ include "turnpike.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "turnpike.labels" -}}
{{ include "turnpike.selectorLabels" . }}
app.kubernetes.io/part-of: turnpike
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The values of one service over `defaults`; of {root, key}, as YAML. */}}
{{- define "turnpike.values" -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (index .root.Values .key)) | toYaml }}
{{- end }}

{{/* How many pods there are at least; of {root, key}. */}}
{{- define "turnpike.replicasMin" -}}
{{- $values := index .root.Values .key }}
{{- if hasKey $values "shards" }}
{{- $values.shards | int }}
{{- else if ne $values.autoscaling.mode "none" }}
{{- $values.autoscaling.minReplicas | int }}
{{- else if kindIs "invalid" $values.replicas }}1
{{- else }}
{{- $values.replicas | int }}
{{- end }}
{{- end }}

{{/* The image of a program; of {root, name}. */}}
{{- define "turnpike.image" -}}
{{- $image := .root.Values.image }}
{{- with .root.Values.global.imageRegistry }}{{ . }}/{{ end -}}
{{ $image.repository }}/{{ .name }}
{{- with index $image.digests .name }}@{{ . }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The Secrets of the registry, as a field of a pod. */}}
{{- define "turnpike.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
The target of shard N by a name that outlives its pods; of {root, shard}. The namespace is in it because
a certificate's `*.` must have two labels after it.
*/}}
{{- define "turnpike.shardTarget" -}}
{{- $name := printf "%s-spool-store" (include "turnpike.fullname" .root) -}}
dns:///{{ $name }}-{{ .shard }}.{{ $name }}.{{ .root.Release.Namespace }}.svc:7101
{{- end }}

{{/* The gateways that the canary and `helm test` use, by the purpose. */}}
{{- define "turnpike.canaryDomains" -}}
test: helm-test.{{ .Values.canary.domain }}
{{- if .Values.canary.deployment.enabled }}
watch: canary.{{ .Values.canary.domain }}
{{- end }}
{{- end }}

{{/* The name of an enabled listener with the role and a port in the Service, or nothing; of {root, role}. */}}
{{- define "turnpike.listenerOf" -}}
{{- $found := "" }}
{{- range $name, $listener := .root.Values.smtpFrontend.listeners }}
{{- $proxied := dig "proxyProtocol" "enabled" false $listener }}
{{- if and (not $found) $listener.enabled $listener.port (eq (default "" $listener.role) $.role) (not $proxied) }}
{{- $found = $name }}
{{- end }}
{{- end }}
{{- $found }}
{{- end }}

{{/* Whether spool-store answers KEDA itself: yes, or nothing. */}}
{{- define "turnpike.hasScaler" -}}
{{- $scaling := .Values.outboundDelivery.autoscaling }}
{{- if and (eq $scaling.mode "keda") (eq $scaling.keda.trigger "external") }}yes{{ end }}
{{- end }}

{{/* Whether the chart tries the gateway by itself: yes, or nothing. */}}
{{- define "turnpike.hasCanary" -}}
{{- if and .Values.canary.enabled (include "turnpike.listenerOf" (dict "root" . "role" "smtp")) }}yes{{ end }}
{{- end }}

{{- define "turnpike.hostname" -}}
{{- .Values.hostname | default (printf "%s-smtp.%s.svc.cluster.local" (include "turnpike.fullname" .) .Release.Namespace) }}
{{- end }}

{{- define "turnpike.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "turnpike.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
