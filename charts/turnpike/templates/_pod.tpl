{{/*
The pod template of a service; of {root, key, service, volumes, mounts}, where the last two are YAML
of what only this service has.
*/}}
{{- define "turnpike.podTemplate" -}}
{{- $values := include "turnpike.values" (dict "root" .root "key" .key) | fromYaml }}
{{- $labels := dict "root" .root "name" .service.name -}}
metadata:
  labels:
    {{- include "turnpike.podLabels" (dict "root" .root "name" .service.name "values" $values) | nindent 4 }}
  annotations:
    # Of what is read only at the start; the rest of the configuration is taken up while running.
    checksum/config: {{ include "turnpike.restartChecksum" (dict "root" .root "key" .key) }}
    {{- with include "turnpike.podAnnotations" (dict "root" .root "values" $values "port" .service.metrics) }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  {{- include "turnpike.podPlace" (dict "root" .root "values" $values) | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "turnpike.grace" (dict "root" .root "values" $values) }}
  {{- $own := include "turnpike.selectorLabels" $labels | fromYaml }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" (dict "matchLabels" $own)) .) | toYaml | nindent 6 | trim }}
    {{- end }}
  {{- else }}
  {{- with $values.spreadOver }}
  topologySpreadConstraints:
    {{- range . }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- toYaml $own | nindent 10 }}
      {{- if ne $.key "spoolStore" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
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
      {{- if eq .key "spoolStore" }}
      # A large store may take its time to open.
      startupProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 450
      {{- end }}
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
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
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

{{/* The annotations of a pod that has metrics, or nothing; of {root, values, port}. */}}
{{- define "turnpike.podAnnotations" -}}
{{- $own := dict }}
{{- if .root.Values.monitoring.scrapeAnnotations }}
{{- $own = dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString .port) }}
{{- end }}
{{- with merge (deepCopy (default dict .values.podAnnotations)) $own }}
{{- toYaml . }}
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
