#!/bin/bash
# The first process of the node, in new mount, network, pid, uts and ipc namespaces: node_up.sh starts
# it. With it, everything of the node ends.
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

# A /sys of the new network namespace, with this machine's cgroups.
mount --make-rprivate /
mkdir --parents "$RUN/cgroups"
mount --rbind /sys/fs/cgroup "$RUN/cgroups"
mount -t sysfs sysfs /sys
mount --rbind "$RUN/cgroups" /sys/fs/cgroup
umount --lazy "$RUN/cgroups"

# What the node's programs write goes below build/cluster, not into this machine's own folders.
mount -t tmpfs -o mode=755 tmpfs /run
own() { # FOLDER-OF-STATE FOLDER
  mkdir --parents "$1" "$2"
  mount --bind "$1" "$2"
}
own "$STATE/kubelet" /var/lib/kubelet
own "$STATE/containerd" /var/lib/containerd
own "$STATE/cni" /var/lib/cni
own "$STATE/pods" /var/log/pods
own "$STATE/containers" /var/log/containers
own "$STATE/plugins" /usr/libexec/kubernetes/kubelet-plugins/volume/exec
own "$STATE/volumes" /tmp/hostpath_pv
own "$ETC/cni" /etc/cni

# The kubelet wants these settings of the kernel, and would write them for the whole machine: it
# finds files that say so already.
pretend() { # NAME VALUE
  mkdir --parents "/run/pretend/$(dirname "$1")"
  echo "$2" >"/run/pretend/$1"
  mount --bind "/run/pretend/$1" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000

# Pods see mounts that the kubelet makes later.
mount --make-rshared /

hostname "$NODE"
ip link set lo up
ip link add node0 type bridge
ip address add "$NODE_IP/24" dev node0
# Other servers on the Internet, which tests play.
for last in 11 12 13; do
  ip address add "${NODE_IP%.*}.$last/24" dev node0
done
ip link set node0 up
# A bridge without a port has no carrier.
ip link add node0p type veth peer name node0q
ip link set node0p master node0 up
ip link set node0q up
# It leads nowhere; but an address of a Service needs a route before kube-proxy's rules change it.
ip route add default via "${NODE_IP%.*}.254" dev node0
sysctl --quiet --write net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
  net.ipv4.ip_unprivileged_port_start=0

declare -A started
start() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >>"$LOG/$name.log" 2>&1 &
  started[$!]=$name
}

wait_for_answer() { # URL
  local attempt
  for attempt in {1..600}; do
    ! curl --silent --insecure --fail --output /dev/null "$1" || return 0
    sleep 0.1
  done
  echo "no answer from $1 after $attempt tries"
  return 1
}

start etcd etcd --name node --data-dir "$STATE/etcd" --log-level warn --unsafe-no-fsync \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster node=http://127.0.0.1:2380
start containerd containerd --config "$ETC/containerd.toml"
wait_for_answer http://127.0.0.1:2379/health

start kube-apiserver kube-apiserver --v=1 --etcd-servers=http://127.0.0.1:2379 \
  --bind-address=0.0.0.0 --secure-port=6443 --advertise-address="$NODE_IP" \
  --service-cluster-ip-range="$SERVICE_NETWORK" --authorization-mode=Node,RBAC \
  --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  --client-ca-file="$PKI/ca.crt" \
  --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
  --kubelet-client-certificate="$PKI/apiserver-kubelet.crt" \
  --kubelet-client-key="$PKI/apiserver-kubelet.key" \
  --kubelet-certificate-authority="$PKI/ca.crt" \
  --kubelet-preferred-address-types=InternalIP,Hostname \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$PKI/accounts.pub" \
  --service-account-signing-key-file="$PKI/accounts.key" \
  --requestheader-client-ca-file="$PKI/front.crt" \
  --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User \
  --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$PKI/front-client.crt" \
  --proxy-client-key-file="$PKI/front-client.key" --enable-aggregator-routing=true
wait_for_answer https://127.0.0.1:6443/livez

controllers=$ETC/controllers.kubeconfig
start kube-controller-manager kube-controller-manager --v=1 --leader-elect=false \
  --kubeconfig="$controllers" --authentication-kubeconfig="$controllers" \
  --authorization-kubeconfig="$controllers" --use-service-account-credentials=true \
  --service-account-private-key-file="$PKI/accounts.key" --root-ca-file="$PKI/ca.crt" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
  --service-cluster-ip-range="$SERVICE_NETWORK" --allocate-node-cidrs=false \
  --enable-hostpath-provisioner=true --horizontal-pod-autoscaler-sync-period=5s \
  --horizontal-pod-autoscaler-downscale-stabilization=30s
scheduler=$ETC/scheduler.kubeconfig
start kube-scheduler kube-scheduler --v=1 --leader-elect=false --kubeconfig="$scheduler" \
  --authentication-kubeconfig="$scheduler" --authorization-kubeconfig="$scheduler"

# Volumes are made 0750 for root, and fsGroup has no effect on this kind: they are opened here.
open_volumes() {
  while sleep 0.2; do
    find /tmp/hostpath_pv -mindepth 1 -maxdepth 1 -type d ! -perm 0777 -exec chmod 0777 {} +
  done
}
start open-volumes open_volumes

start kubelet kubelet --v=1 --config="$ETC/kubelet.yaml" --kubeconfig="$ETC/kubelet.kubeconfig" \
  --hostname-override="$NODE" --node-ip="$NODE_IP"
start kube-proxy kube-proxy --v=1 --config="$ETC/kube-proxy.yaml" --hostname-override="$NODE"
start policy-enforcer /usr/bin/python3 -B "$CLUSTER_SOURCE/policy_enforcer.py" \
  "https://$NODE_IP:6443" "$PKI/ca.crt" "$PKI/admin.crt" "$PKI/admin.key"
touch "$RUN/started"

# Takes the exit codes of all processes of the node whose parents are gone, and says which of its own
# ended. Without any of those the node is no more.
while ((${#started[@]})); do
  code=0
  wait -n -p ended || code=$?
  if [[ -n ${ended:-} && -n ${started[$ended]:-} ]]; then
    echo "${started[$ended]} ended with $code"
    unset "started[$ended]"
  fi
done
