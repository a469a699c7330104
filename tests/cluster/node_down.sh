#!/bin/bash
# Ends the node and removes its state; with --keep as a machine that loses power: etcd, images and
# volumes are there for the next node_up.sh. Binaries stay.
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

pid=$(node_pid)
if [[ -n $pid ]]; then
  # The first process of a pid namespace: every process, mount and interface of it goes with it.
  kill -KILL "$pid"
  while [[ -d /proc/$pid ]]; do
    sleep 0.1
  done
fi

# A cgroup can be removed when its last process is gone.
for attempt in {1..20}; do
  left=$(find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -print -exec rmdir {} \; 2>&1 |
    grep --count rmdir || true)
  ((left)) || break
  sleep 0.3
done
((left == 0)) || echo "cgroups are left after $attempt tries: $left" >&2

rm --recursive --force "$RUN"
if [[ ${1:-} != --keep ]]; then
  rm --recursive --force "$STATE" "$PKI" "$ETC"
fi
