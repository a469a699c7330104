{{/* The port at the end of `host:port`, or the other one; of {text, default}. */}}
{{- define "turnpike.portOf" -}}
{{- $port := regexFind "[0-9]+$" (regexFind "(^|[^:]|\\]):[0-9]+/?$" (toString .text | trimSuffix "/")) }}
{{- $port | default (toString .default) }}
{{- end }}

{{/*
Ports of other servers that the configuration makes each service talk to, as YAML lists by the keys of
the values; `dns` are those of resolvers. Servers are named by mail as it comes, so there is no list of
addresses to allow.
*/}}
{{- define "turnpike.outsidePorts" -}}
{{- $config := .Values.config }}
{{- $dns := list }}
{{- range (default dict $config.dns).servers }}
{{- $port := include "turnpike.portOf" (dict "text" . "default" 53) }}
{{- if ne $port "53" }}{{ $dns = append $dns $port }}{{ end }}
{{- end }}

{{- $auth := list }}
{{- with (default dict $config.directory).ldap }}
{{- $auth = append $auth (include "turnpike.portOf" (dict "text" .url "default" (hasPrefix "ldaps" .url | ternary 636 389))) }}
{{- end }}
{{- range (default dict $config.domain_sharing).hosts }}
{{- $auth = append $auth (include "turnpike.portOf" (dict "text" .server "default" 25)) }}
{{- end }}

{{- $frontend := list }}
{{- range $config.collections }}{{ $frontend = append $frontend (default 366 .port | toString) }}{{ end }}

{{- $dequeue := list }}
{{- range $config.requests }}{{ $dequeue = append $dequeue (default 25 .port | toString) }}{{ end }}

{{- $delivery := default dict $config.delivery }}
{{- /* 443 has the policies of MTA-STS. */}}
{{- $out := list "25" (default 25 $delivery.smtp_port | toString) }}
{{- if ne (default true $delivery.mta_sts | toString) "false" }}
{{- $out = append $out (default 443 $delivery.mta_sts_port | toString) }}
{{- end }}
{{- range $config.local_domains }}
{{- $out = append $out (include "turnpike.portOf" (dict "text" .mailbox_server "default" 24)) }}
{{- end }}
{{- range $config.gateways }}{{ $out = append $out (default 25 (default dict .etrn).port | toString) }}{{ end }}
{{- if include "turnpike.hasCanary" . }}{{ $out = append $out "2525" }}{{ end }}
{{- $smartHosts := list }}
{{- with $delivery.smart_host }}{{ $smartHosts = append $smartHosts . }}{{ end }}
{{- range $delivery.routes }}
{{- if .host }}{{ $out = append $out (default (.lmtp | ternary 24 25) .port | toString) }}{{ end }}
{{- with .smart_host }}{{ $smartHosts = append $smartHosts . }}{{ end }}
{{- end }}
{{- range $smartHosts }}
{{- $out = append $out (default 25 .port | toString) }}
{{- with .pop_check }}{{ $out = append $out (default 110 .port | toString) }}{{ end }}
{{- end }}
{{- dict "dns" (uniq $dns | sortAlpha) "authService" (uniq $auth | sortAlpha) "smtpFrontend" (uniq $frontend | sortAlpha)
      "gatewayDequeue" (uniq $dequeue | sortAlpha) "outboundDelivery" (uniq $out | sortAlpha) | toYaml }}
{{- end }}
