#!/bin/bash
# Builds the five services and turnpikectl, and plays the main job with real mail and real clients.
# KEEP=1 leaves everything running afterwards; `deploy/local/run.sh stop` ends it.
# TURNPIKE_BIN names a folder with programs that are built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "${1:-}" == stop ]]; then
  exec /usr/bin/python3 deploy/local/play.py --stop
fi

if [[ -z "${TURNPIKE_BIN:-}" ]]; then
  echo "Building the five services and turnpikectl (the first time takes ten minutes or more) ..."
  read -r -a bazel <<<"${BAZEL:-bazel}"
  "${bazel[@]}" build \
    //services/spool-store //services/auth-service //services/gateway-dequeue \
    //services/smtp-frontend //services/outbound-delivery //services/turnpikectl
fi
if [[ -n "${KEEP:-}" ]]; then
  exec /usr/bin/python3 deploy/local/play.py --keep
fi
exec /usr/bin/python3 deploy/local/play.py
