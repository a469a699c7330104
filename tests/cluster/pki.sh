#!/bin/bash
# The node's keys, certificates and kubeconfigs, into build/cluster/pki and etc. Each installation of
# the node has its own; nothing outside its network believes them.
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

[[ ! -e $PKI/complete ]] || exit 0
mkdir --parents "$PKI" "$ETC"
cd "$PKI"

authority() { # NAME COMMON-NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
    -addext keyUsage=critical,digitalSignature,keyCertSign -keyout "$1.key" -out "$1.crt"
}

certificate() { # NAME AUTHORITY SUBJECT [ALTERNATIVE-NAMES]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" \
    -keyout "$1.key" -out "$1.csr"
  {
    echo keyUsage=critical,digitalSignature
    echo extendedKeyUsage=serverAuth,clientAuth
    [[ -z ${4:-} ]] || echo "subjectAltName=$4"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 \
    -extfile "$1.ext" -out "$1.crt"
}

kubeconfig() { # NAME of its certificate
  local server=https://$NODE_IP:6443
  cat >"$ETC/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
- {name: node, cluster: {server: "$server", certificate-authority: $PKI/ca.crt}}
users:
- {name: $1, user: {client-certificate: $PKI/$1.crt, client-key: $PKI/$1.key}}
contexts:
- {name: node, context: {cluster: node, user: $1}}
current-context: node
END
}

make_all() {
  local service=kubernetes.default.svc
  authority ca turnpike-cluster
  authority front turnpike-cluster-front-proxy
  openssl genrsa -out accounts.key 2048
  openssl rsa -in accounts.key -pubout -out accounts.pub
  certificate apiserver ca /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:$service,DNS:$service.cluster.local,DNS:localhost,\
IP:127.0.0.1,IP:$NODE_IP,IP:$API_IP"
  certificate apiserver-kubelet ca /O=system:masters/CN=apiserver-kubelet
  certificate front-client front /CN=front-proxy-client
  certificate kubelet-server ca "/CN=$NODE" "DNS:$NODE,IP:$NODE_IP,IP:127.0.0.1"
  certificate admin ca /O=system:masters/CN=admin
  certificate controllers ca /CN=system:kube-controller-manager
  certificate scheduler ca /CN=system:kube-scheduler
  certificate proxy ca /CN=system:kube-proxy
  certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE"
  for name in admin controllers scheduler proxy kubelet; do
    kubeconfig "$name"
  done
}

if ! make_all >"$PKI/log" 2>&1; then
  cat "$PKI/log" >&2
  exit 1
fi
touch complete
