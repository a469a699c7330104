# What the scripts of this folder agree on; sourced by each.
# shellcheck shell=bash disable=SC2034

CLUSTER_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$CLUSTER_SOURCE/../.." && pwd)

# Binaries, images and the node's state. TURNPIKE_CLUSTER moves it, to keep it over `make clean` say.
CLUSTER=${TURNPIKE_CLUSTER:-$TOP/build/cluster}
BIN=$CLUSTER/bin
PKI=$CLUSTER/pki
ETC=$CLUSTER/etc
LOG=$CLUSTER/log
RUN=$CLUSTER/run
STATE=$CLUSTER/state

KUBERNETES=1.35.4

# The node's own network: nothing of it exists outside its namespace.
NODE=node
NODE_IP=172.30.0.1
POD_NETWORK=10.244.0.0/24
SERVICE_NETWORK=10.96.0.0/16
API_IP=10.96.0.1
DNS_IP=10.96.0.10

# cgroups that the kubelet makes are below this one.
CGROUP=turnpike-cluster

CONTAINERD=$RUN/containerd.sock
export KUBECONFIG=$ETC/admin.kubeconfig
export PATH=$BIN:$PATH:/usr/sbin:/sbin

# Settings for clients on this machine; the node's programs talk to each other directly.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY

# Prints the pid of the node's first process where it runs, else nothing.
node_pid() {
  local pid
  pid=$(cat "$RUN/node.pid" 2>/dev/null) || return 0
  if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep --quiet --fixed-strings node_init.sh; then
    echo "$pid"
  fi
}

# Runs a command in the node's network, with this machine's files and processes.
in_network() { nsenter --target "$(node_pid)" --net "$@"; }

# Brings images into the node.
import_images() { # ARCHIVE...
  local archive
  for archive in "$@"; do
    ctr --address "$CONTAINERD" --namespace k8s.io images import "$archive" >>"$LOG/import.log"
  done
}
