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
{{- .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/*
What all objects' names begin with. 40 characters leave room for the longest that is put after them, and
for what Kubernetes adds to the names of pods; of a longer one, a checksum stands for the rest, so that two
releases stay two. A release's name may have dots, a Service's not.
*/}}
{{- define "turnpike.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else }}
{{- $name := include "turnpike.name" . }}
{{- $full := .Release.Name | replace "." "-" }}
{{- if not (contains $name $full) }}
{{- $full = printf "%s-%s" $full $name }}
{{- end }}
{{- if gt (len $full) 40 }}
{{- $full = printf "%s-%s" (trunc 31 $full | trimSuffix "-") (sha256sum $full | trunc 8) }}
{{- end }}
{{- $full }}
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
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Labels of a pod; of {root, name, values}, where values are those of a service or `defaults`. Not the
chart's version: pods are replaced only when something of theirs changes.
*/}}
{{- define "turnpike.podLabels" -}}
{{ include "turnpike.selectorLabels" . }}
app.kubernetes.io/part-of: turnpike
{{- with merge (deepCopy (default dict .values.podLabels)) (default dict .root.Values.commonLabels) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What all pods have in common, and where they may run; of {root, values}, as above. */}}
{{- define "turnpike.podPlace" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- include "turnpike.pullSecrets" .root }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- include "turnpike.podSecurity" .root | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* How many seconds `1h30m` is; of the text. */}}
{{- define "turnpike.seconds" -}}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[hms]" . -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" .) (index (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .))) }}
{{- end }}
{{- $sum }}
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
