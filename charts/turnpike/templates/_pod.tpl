{{/*
The pod template of a service; of {root, key, service, volumes, mounts}, where the last two are YAML
of what only this service has.
*/}}
{{- define "turnpike.podTemplate" -}}
{{- $values := include "turnpike.values" (dict "root" .root "key" .key) | fromYaml }}
{{- $labels := dict "root" .root "name" .service.name -}}
metadata:
  # Not the chart's version: pods are replaced only when something of theirs changes.
  labels:
    {{- include "turnpike.selectorLabels" $labels | nindent 4 }}
    app.kubernetes.io/part-of: turnpike
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Of what is read only at the start; the rest of the configuration is taken up while running.
    checksum/config: {{ include "turnpike.restartChecksum" (dict "root" .root "key" .key) }}
    {{- if .root.Values.monitoring.scrapeAnnotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .service.metrics | quote }}
    {{- end }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with include "turnpike.pullSecrets" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "turnpike.grace" (dict "root" .root "values" $values) }}
  securityContext:
    {{- include "turnpike.podSecurity" .root | nindent 4 }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.spreadOver }}
  topologySpreadConstraints:
    {{- range $values.spreadOver }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "turnpike.selectorLabels" $labels | nindent 10 }}
      {{- if ne $.key "spoolStore" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
  {{- end }}
  initContainers:
    {{- with include "turnpike.tlsContainer" (dict "root" .root "name" .service.name) }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- include "turnpike.checkContainer" . | nindent 4 }}
  containers:
    - name: {{ .service.name }}
      image: {{ include "turnpike.image" (dict "root" .root "name" .service.name) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [/usr/bin/{{ .service.name }}, --config, /etc/turnpike/turnpike.yaml]
      {{- with $values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: {{ .service.grpc }}}
        - {name: metrics, containerPort: {{ .service.metrics }}}
        {{- if and (eq .key "spoolStore") (include "turnpike.hasScaler" .root) }}
        - {name: scaler, containerPort: 7111}
        {{- end }}
        {{- if eq .key "smtpFrontend" }}
        {{- range $name, $listener := .root.Values.smtpFrontend.listeners }}
        {{- if $listener.enabled }}
        - {name: {{ $name }}, containerPort: {{ $listener.containerPort }}}
        {{- end }}
        {{- end }}
        {{- end }}
      # By HTTP: the page says what is wrong, and its port has no TLS.
      livenessProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "turnpike.containerSecurity" .root | nindent 8 }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        {{- include "turnpike.configMounts" (dict "root" .root "key" .key) | nindent 8 }}
        {{- with include "turnpike.tlsMounts" (dict "root" .root "name" .service.name) }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "turnpike.configVolumes" (dict "root" .root "key" .key) | nindent 4 }}
    {{- with include "turnpike.tlsVolumes" (dict "root" .root "name" .service.name) }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Seconds from SIGTERM to SIGKILL; of {root, values}. */}}
{{- define "turnpike.grace" -}}
{{- if kindIs "invalid" .values.terminationGracePeriodSeconds }}
{{- add (int .root.Values.drainDelaySeconds) (int .root.Values.drainSeconds) 15 }}
{{- else }}
{{- int .values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}
