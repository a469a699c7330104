#!/bin/bash
# Starts a Kubernetes node on this machine, in namespaces of its own, and leaves it ready: DNS,
# volumes, a default storage class, metrics of pods. It needs root, the packages of
# deploy/packages/debian-cluster.txt and what build_tools.sh builds. node_down.sh ends it.
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

if [[ -n $(node_pid) ]]; then
  echo "the node is running already (pid $(node_pid)); tests/cluster/node_down.sh ends it" >&2
  exit 1
fi
if ((EUID != 0)) || [[ ! -d /sys/fs/cgroup/cpuset ]]; then
  echo "$0 needs root, and cgroups of version 1" >&2
  exit 1
fi
"$CLUSTER_SOURCE/build_tools.sh"
"$CLUSTER_SOURCE/pki.sh"
/usr/bin/python3 -B "$CLUSTER_SOURCE/node_images.py" "$CLUSTER"

rm --recursive --force "$RUN" "$LOG"
mkdir --parents "$RUN" "$LOG" "$ETC/cni/net.d" "$STATE/etcd"
chmod 700 "$STATE/etcd"
: >"$ETC/resolv.conf"

# ptp and not bridge: bridged packets would have to pass iptables, for which the kernel has no module.
cat >"$ETC/cni/net.d/10-node.conflist" <<END
{"cniVersion": "1.0.0", "name": "node", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "/run/cni", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "$POD_NETWORK"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END

# restrict_oom_score_adj: without CAP_SYS_RESOURCE nobody may be made less likely to be ended.
cat >"$ETC/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$CONTAINERD"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/node/pause:1"
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
END

cat >"$ETC/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
containerRuntimeEndpoint: unix://$CONTAINERD
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
clusterDNS: ["$DNS_IP"]
clusterDomain: cluster.local
resolvConf: $ETC/resolv.conf
# The machine's disk is not the node's; and there is nowhere to pull an image from again.
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
# Secrets and ConfigMaps reach their pods within seconds instead of minutes.
configMapAndSecretChangeDetectionStrategy: Watch
syncFrequency: 5s
END

cat >"$ETC/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $ETC/proxy.kubeconfig}
mode: iptables
oomScoreAdj: 0
clusterCIDR: $POD_NETWORK
# 0: the machine's own limits are left alone.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 200ms, syncPeriod: 30s}
END

for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
  folder=/sys/fs/cgroup/$controller
  [[ ! -d $folder ]] || mkdir --parents "$folder/$CGROUP"
done
for what in cpus mems; do
  cat "/sys/fs/cgroup/cpuset/cpuset.$what" >"/sys/fs/cgroup/cpuset/$CGROUP/cpuset.$what"
done

setsid unshare --mount --net --pid --uts --ipc --fork --mount-proc --propagation private \
  "$CLUSTER_SOURCE/node_init.sh" >"$LOG/node.log" 2>&1 </dev/null &
parent=$!
pid=
until [[ -n $pid ]]; do
  kill -0 "$parent"
  pid=$(tr --delete ' ' <"/proc/$parent/task/$parent/children")
  sleep 0.05
done
echo "$pid" >"$RUN/node.pid"

until [[ -e $RUN/started ]]; do
  if [[ -z $(node_pid) ]]; then
    echo "the node ended; its logs are in $LOG:" >&2
    cat "$LOG/node.log" >&2
    exit 1
  fi
  sleep 0.2
done

import_images "$CLUSTER"/images/*.tar
in_network kubectl apply --server-side --force-conflicts --filename "$CLUSTER_SOURCE/manifests" \
  >"$LOG/manifests.log"
in_network kubectl wait --for=condition=Ready "node/$NODE" --timeout=120s >>"$LOG/manifests.log"
in_network kubectl --namespace kube-system rollout status deployment/coredns --timeout=120s \
  >>"$LOG/manifests.log"
echo "Kubernetes $KUBERNETES is running; its node's first process has the pid $(node_pid)"
