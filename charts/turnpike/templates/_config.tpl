{{/* The one configuration document: what the chart knows, over what `config` says. */}}
{{- define "turnpike.document" -}}
{{- $root := . }}
{{- $document := deepCopy .Values.config }}
{{- $services := dict "allow_plaintext" true "reflection" .Values.services.reflection
      "drain_timeout" (printf "%ds" (int .Values.drainSeconds)) }}
{{- range $key, $service := include "turnpike.services" . | fromYaml }}
{{- $_ := set $services $service.config (dict
      "listen" (printf "%s:%d" $root.Values.listenAddress (int $service.grpc))
      "target" (printf "dns:///%s-%s:%d" (include "turnpike.fullname" $root) $service.name (int $service.grpc))
      "metrics_listen" (printf "%s:%d" $root.Values.listenAddress (int $service.metrics))) }}
{{- end }}
{{- $listeners := list }}
{{- range $name, $listener := .Values.smtpFrontend.listeners }}
{{- if $listener.enabled }}
{{- $entry := dict "name" $name "role" $listener.role
      "listen" (printf "%s:%d" $root.Values.listenAddress (int $listener.containerPort)) }}
{{- if $root.Values.tls.secretName }}
{{- $_ := set $entry "tls" (dict "certificate_file" "/run/secrets/turnpike/tls/tls.crt" "key_file" "/run/secrets/turnpike/tls/tls.key") }}
{{- end }}
{{- if and $listener.proxyProtocol $listener.proxyProtocol.enabled }}
{{- $_ := set $entry "proxy_protocol_from" $listener.proxyProtocol.trustedNetworks }}
{{- end }}
{{- $listeners = append $listeners (mergeOverwrite $entry (deepCopy (default dict $listener.settings))) }}
{{- end }}
{{- end }}
{{- $_ := set $document "hostname" (include "turnpike.hostname" .) }}
{{- $_ := set $document "services" $services }}
{{- $_ := set $document "smtp" (mergeOverwrite (deepCopy (default dict $document.smtp)) (dict "listeners" $listeners)) }}
{{- $_ := set $document "spool" (mergeOverwrite (deepCopy (default dict $document.spool)) (dict "directory" "/var/spool/turnpike/store")) }}
{{- toYaml $document }}
{{- end }}

{{/*
Volumes and mounts of the document and of the Secrets that a container gets; of {root, key, all}:
the service, and whether it sees every Secret (as the check does).
*/}}
{{- define "turnpike.configMounts" -}}
- {name: config, mountPath: /etc/turnpike, readOnly: true}
{{- if and .root.Values.tls.secretName (or .all (eq .key "smtpFrontend")) }}
- {name: tls, mountPath: /run/secrets/turnpike/tls, readOnly: true}
{{- end }}
{{- range $index, $mount := .root.Values.secretMounts }}
{{- if or $.all (has $.key $mount.services) }}
- {name: secret-{{ $index }}, mountPath: /run/secrets/turnpike/{{ $mount.path }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* Of {root, configMap}: with every Secret, since the check of a pod looks at all of them. */}}
{{- define "turnpike.configVolumes" -}}
- name: config
  configMap: {name: {{ .configMap }}}
{{- with .root.Values.tls.secretName }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- range $index, $mount := .root.Values.secretMounts }}
- name: secret-{{ $index }}
  secret: {secretName: {{ $mount.secretName }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* The container that checks the document and all files it names; of {root, configMap}. */}}
{{- define "turnpike.checkContainer" -}}
- name: check-config
  image: {{ include "turnpike.image" (dict "root" .root "name" "smtp-frontend") }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/usr/bin/smtp-frontend, --config, /etc/turnpike/turnpike.yaml, --check]
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext:
    {{- include "turnpike.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
  volumeMounts:
    {{- include "turnpike.configMounts" (dict "root" .root "key" "" "all" true) | nindent 4 }}
{{- end }}
