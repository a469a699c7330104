#!/bin/bash
# Builds the five services and plays the main job with real mail and real clients.
# KEEP=1 leaves everything running afterwards; `deploy/local/run.sh stop` ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "${1:-}" == stop ]]; then
  exec /usr/bin/python3 deploy/local/play.py --stop
fi

echo "Building the five services (the first time takes about ten minutes) ..."
read -r -a bazel <<<"${BAZEL:-bazel}"
"${bazel[@]}" build \
  //services/spool-store //services/auth-service //services/gateway-dequeue \
  //services/smtp-frontend //services/outbound-delivery //services/turnpikectl
if [[ -n "${KEEP:-}" ]]; then
  exec /usr/bin/python3 deploy/local/play.py --keep
fi
exec /usr/bin/python3 deploy/local/play.py
