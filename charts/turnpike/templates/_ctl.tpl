{{/*
The pod of a turnpikectl that asks the services; of {root, configMap, containers, volumes}, where the last
two are YAML: of containers without what all have in common, and of further volumes.
*/}}
{{- define "turnpike.ctlPod" -}}
{{- $identity := dict "root" .root "name" "turnpikectl" -}}
restartPolicy: Never
{{ include "turnpike.podPlace" (dict "root" .root "values" .root.Values.defaults) }}
{{- with include "turnpike.tlsContainer" $identity }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  {{- range .containers | fromYamlArray }}
  - name: {{ .name }}
    image: {{ include "turnpike.image" (dict "root" $.root "name" "turnpikectl") }}
    imagePullPolicy: {{ $.root.Values.image.pullPolicy }}
    command:
      {{- prepend .words "/usr/bin/turnpikectl" | toYaml | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      {{- include "turnpike.containerSecurity" $.root | nindent 6 }}
    resources:
      {{- default (dict "requests" (dict "cpu" "10m" "memory" "32Mi")) .resources | toYaml | nindent 6 }}
    {{- with .ports }}
    ports:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - {name: config, mountPath: /etc/turnpike, readOnly: true}
      {{- with include "turnpike.tlsMounts" $identity }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .mounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- end }}
volumes:
  - name: config
    configMap: {name: {{ .configMap }}}
  {{- with include "turnpike.tlsVolumes" $identity }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "turnpike.canarySecret" -}}
{{- .Values.canary.existingSecret | default (printf "%s-canary" (include "turnpike.fullname" .)) }}
{{- end }}

{{/* The container of a canary; of {root, domain, more}, where the last are further words. */}}
{{- define "turnpike.canaryContainer" -}}
{{- $canary := .root.Values.canary }}
{{- $service := printf "%s-smtp" (include "turnpike.fullname" .root) }}
{{- $mx := include "turnpike.listenerOf" (dict "root" .root "role" "smtp") }}
{{- $odmr := include "turnpike.listenerOf" (dict "root" .root "role" "odmr") }}
{{- $listeners := .root.Values.smtpFrontend.listeners }}
{{- $smtp := printf "%s:%d" $service (int (index $listeners $mx).port) }}
{{- $words := list "canary" "--submit" $smtp "--sender" (printf "canary@%s" .root.Values.canary.domain)
      "--domain" .domain "--password-file" "/run/secrets/turnpike/canary/password" }}
{{- if $odmr }}
{{- $words = concat $words (list "--odmr" (printf "%s:%d" $service (int (index $listeners $odmr).port))) }}
{{- end }}
{{- $words = concat $words (list "--etrn" $smtp "--listen" (printf "%s:2525" .root.Values.listenAddress)
      "--tls" "opportunistic" "--timeout" (printf "%ds" (int $canary.timeoutSeconds))) .more }}
- name: canary
  words:
    {{- toYaml $words | nindent 4 }}
  mounts:
    - {name: canary, mountPath: /run/secrets/turnpike/canary, readOnly: true}
{{- end }}

{{- define "turnpike.canaryVolume" -}}
- name: canary
  secret:
    secretName: {{ include "turnpike.canarySecret" . }}
    defaultMode: 0440
    items: [{key: password, path: password}]
{{- end }}
