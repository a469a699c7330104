{{/* The one configuration document: what the chart knows, over what `config` says. */}}
{{- define "turnpike.document" -}}
{{- $document := deepCopy .Values.config }}
{{- $_ := set $document "hostname" (include "turnpike.hostname" .) }}
{{- $_ := set $document "services" (include "turnpike.servicesSection" . | fromYaml) }}
{{- $_ := set $document "smtp" (mergeOverwrite (deepCopy (default dict $document.smtp)) (include "turnpike.listenersSection" . | fromYaml)) }}
{{- $_ := set $document "spool" (mergeOverwrite (deepCopy (default dict $document.spool)) (include "turnpike.spoolSection" . | fromYaml)) }}
{{- if include "turnpike.hasCanary" . }}
{{- $_ := set $document "gateways" (concat (default list $document.gateways) (include "turnpike.canaryGateways" . | fromYamlArray)) }}
{{- end }}
{{- toYaml $document }}
{{- end }}

{{- define "turnpike.servicesSection" -}}
{{- $root := . }}
{{- $section := dict "reflection" .Values.services.reflection
      "drain_delay" (printf "%ds" (int .Values.drainDelaySeconds))
      "drain_timeout" (printf "%ds" (int .Values.drainSeconds)) }}
{{- if eq .Values.tls.mode "disabled" }}
{{- $_ := set $section "allow_plaintext" true }}
{{- else }}
{{- $_ := set $section "tls" (dict "directory" "/run/secrets/turnpike/services" "trust_domain" .Values.tls.trustDomain) }}
{{- end }}
{{- range $key, $service := include "turnpike.services" . | fromYaml }}
{{- $_ := set $section $service.config (dict
      "listen" (printf "%s:%d" $root.Values.listenAddress (int $service.grpc))
      "target" (printf "dns:///%s-%s:%d" (include "turnpike.fullname" $root) $service.name (int $service.grpc))
      "metrics_listen" (printf "%s:%d" $root.Values.listenAddress (int $service.metrics))) }}
{{- end }}
{{- /* Shard 0 by its own name: the Service's is that of all shards, also of one that comes or goes. */}}
{{- $_ := set $section.spool_store "target" (include "turnpike.shardTarget" (dict "root" . "shard" 0)) }}
{{- toYaml $section }}
{{- end }}

{{- define "turnpike.listenersSection" -}}
{{- $root := . }}
{{- $listeners := list }}
{{- range $name, $listener := .Values.smtpFrontend.listeners }}
{{- if $listener.enabled }}
{{- $entry := dict "name" $name "role" $listener.role
      "listen" (printf "%s:%d" $root.Values.listenAddress (int $listener.containerPort)) }}
{{- if $root.Values.smtpFrontend.tls.secretName }}
{{- $_ := set $entry "tls" (dict "certificate_file" "/run/secrets/turnpike/tls/tls.crt" "key_file" "/run/secrets/turnpike/tls/tls.key") }}
{{- end }}
{{- if and $listener.proxyProtocol $listener.proxyProtocol.enabled }}
{{- $_ := set $entry "proxy_protocol_from" $listener.proxyProtocol.trustedNetworks }}
{{- end }}
{{- $listeners = append $listeners (mergeOverwrite $entry (deepCopy (default dict $listener.settings))) }}
{{- end }}
{{- end }}
{{- dict "listeners" $listeners | toYaml }}
{{- end }}

{{- define "turnpike.spoolSection" -}}
{{- $section := dict "directory" "/var/spool/turnpike/store" }}
{{- if gt (int .Values.spoolStore.shards) 1 }}
{{- $shards := list }}
{{- range $shard := until (int .Values.spoolStore.shards) }}
{{- $shards = append $shards (include "turnpike.shardTarget" (dict "root" $ "shard" $shard)) }}
{{- end }}
{{- $_ := set $section "shards" $shards }}
{{- end }}
{{- if include "turnpike.hasScaler" . }}
{{- $_ := set $section "scaler_listen" (printf "%s:7111" .Values.listenAddress) }}
{{- end }}
{{- toYaml $section }}
{{- end }}

{{/* What is held for them is bounded: anybody may send to them. */}}
{{- define "turnpike.canaryGateways" -}}
{{- range $purpose, $domain := include "turnpike.canaryDomains" . | fromYaml }}
- domain: {{ $domain }}
  atrn: {enabled: true, password_file: /run/secrets/turnpike/canary/verifier}
  etrn: {enabled: true, port: 2525}
  hold: {max_messages: 20, max_bytes: 1MiB}
{{- end }}
{{- end }}

{{/*
The parts of the document that a service reads only when it starts (needs_restart in
protos/turnpike/config/v1), so that a change of them, and of nothing else, replaces its pods; of
{root, key}.
*/}}
{{- define "turnpike.restartKeys" -}}
services: [spoolStore, authService, gatewayDequeue, smtpFrontend, outboundDelivery]
spool.shards: [spoolStore, authService, gatewayDequeue, smtpFrontend, outboundDelivery]
spool.directory: [spoolStore]
spool.scaler_listen: [spoolStore]
spool.lease_duration: [spoolStore, outboundDelivery]
smtp.threads: [smtpFrontend]
delivery.threads: [outboundDelivery]
auth.password_checks_max: [authService]
auth.password_checks_waiting_max: [authService]
{{- end }}

{{- define "turnpike.restartChecksum" -}}
{{- $document := include "turnpike.document" .root | fromYaml }}
{{- $parts := dict }}
{{- range $path, $services := include "turnpike.restartKeys" . | fromYaml }}
{{- if has $.key $services }}
{{- $section := splitList "." $path | first }}
{{- $part := index $document $section }}
{{- if contains "." $path }}
{{- $part = index (default dict $part) (splitList "." $path | last) }}
{{- end }}
{{- $_ := set $parts $path $part }}
{{- end }}
{{- end }}
{{- toYaml $parts | sha256sum }}
{{- end }}

{{/* Mounts of the document and of the Secrets that a service gets; of {root, key}. */}}
{{- define "turnpike.configMounts" -}}
- {name: config, mountPath: /etc/turnpike, readOnly: true}
{{- if and .root.Values.smtpFrontend.tls.secretName (eq .key "smtpFrontend") }}
- {name: tls, mountPath: /run/secrets/turnpike/tls, readOnly: true}
{{- end }}
{{- if and (include "turnpike.hasCanary" .root) (eq .key "authService") }}
- {name: canary, mountPath: /run/secrets/turnpike/canary, readOnly: true}
{{- end }}
{{- range $index, $mount := .root.Values.secretMounts }}
{{- if has $.key $mount.services }}
- {name: secret-{{ $index }}, mountPath: /run/secrets/turnpike/{{ $mount.path }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* The volumes for that; of {root, key}. */}}
{{- define "turnpike.configVolumes" -}}
- name: config
  configMap: {name: {{ include "turnpike.fullname" .root }}-config}
{{- with .root.Values.smtpFrontend.tls.secretName }}
{{- if eq $.key "smtpFrontend" }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- if and (include "turnpike.hasCanary" .root) (eq .key "authService") }}
- name: canary
  secret:
    secretName: {{ include "turnpike.canarySecret" .root }}
    defaultMode: 0440
    items: [{key: verifier, path: verifier}]
{{- end }}
{{- range $index, $mount := .root.Values.secretMounts }}
{{- if has $.key $mount.services }}
- name: secret-{{ $index }}
  secret: {secretName: {{ $mount.secretName }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}

{{/* The container that checks the document and the files that a service reads; of {root, key, service}. */}}
{{- define "turnpike.checkContainer" -}}
- name: check-config
  image: {{ include "turnpike.image" (dict "root" .root "name" "turnpikectl") }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/usr/bin/turnpikectl, config, check, /etc/turnpike/turnpike.yaml, --service, {{ .service.name }}]
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext:
    {{- include "turnpike.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
  volumeMounts:
    {{- include "turnpike.configMounts" (dict "root" .root "key" .key) | nindent 4 }}
    {{- with include "turnpike.tlsMounts" (dict "root" .root "name" .service.name) }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
