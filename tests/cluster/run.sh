#!/bin/bash
# `make cluster-test`: a Kubernetes node on this machine, Turnpike's images and chart on it, and the
# scenes under a steady load of mail, closed by a table. Arguments go to pytest:
#
#   tests/cluster/run.sh -k rolling     only some scenes
#   KEEP=1 tests/cluster/run.sh         leaves the node running; a next run uses it
#
# The images are those of `make images`, or of the folder TURNPIKE_IMAGES.
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

images=${TURNPIKE_IMAGES:-$TOP/build/images}
if ! compgen -G "$images/*.tar" >/dev/null; then
  echo "$0: no images in $images; \`make images\` makes them" >&2
  exit 1
fi

finish() {
  if [[ -n ${KEEP:-} ]]; then
    echo "The node goes on running; tests/cluster/node_down.sh ends it. To talk to it:"
    echo "  nsenter --target $(node_pid) --net env KUBECONFIG=$KUBECONFIG $BIN/kubectl get pods -A"
  else
    "$CLUSTER_SOURCE/node_down.sh"
  fi
}
trap finish EXIT

[[ -n $(node_pid) ]] || "$CLUSTER_SOURCE/node_up.sh"
import_images "$images"/*.tar
in_network env TURNPIKE_CLUSTER="$CLUSTER" /usr/bin/python3 -B -m pytest -p no:cacheprovider \
  --quiet --junitxml="$CLUSTER/results.xml" "$CLUSTER_SOURCE/scenes" "$@"
