#!/bin/bash
# Builds the programs of a Kubernetes node from Go modules into build/cluster/bin; nothing more for
# those that are there. All of them take about 25 minutes of one core, once.
#
#   tests/cluster/build_tools.sh               all
#   tests/cluster/build_tools.sh PROGRAM...    those
set -euo pipefail
# shellcheck source=tests/cluster/settings.sh
. "$(dirname "$0")/settings.sh"

coredns=v1.15.0
prometheus_adapter=v0.12.0

PATH=$("$TOP/deploy/packages/install_go.sh"):$PATH
export CGO_ENABLED=0 GOFLAGS='-mod=mod -buildvcs=false -trimpath' GOWORK=off GOTOOLCHAIN=local
# The database of checksums has no entry for k8s.io/kube-proxy.
export GONOSUMDB=k8s.io

# Where a module's source is, fetched.
source_of() { go mod download -json "$1" | jq --raw-output .Dir; }

# Prints what of a go.mod another module has to repeat to be built as that one is: the language
# version, the GODEBUG settings and the replacements.
inherited() {
  awk '/^go |^godebug [^(]|^replace [^(]/ { print }
       /^(godebug|replace) \(/ { inside = 1 }
       inside { print }
       /^\)/ { inside = 0 }' "$1/go.mod"
}

# Replaces a folder below build/cluster/source by a module that requires another one, and enters it.
enter_module_for() {
  local folder=$CLUSTER/source/$1 module=$2 upstream
  upstream=$(source_of "$module")
  mkdir --parents "$folder"
  cd "$folder"
  {
    echo "module turnpike.example/$1"
    inherited "$upstream" | grep --invert-match --fixed-strings ' ./'
    echo "require ${module/@/ }"
  } >go.mod
  cp --no-preserve=mode "$upstream/go.sum" .
}

# Kubernetes is one module, and its libraries are others, which it takes from its own tree under a
# version that does not exist. Here they are those published with the release.
build_kubernetes() {
  local program=$1 minor patch upstream package library ldflags=-s\ -w
  IFS=. read -r _ minor patch <<<"$KUBERNETES"
  enter_module_for kubernetes "k8s.io/kubernetes@v$KUBERNETES"
  upstream=$(source_of "k8s.io/kubernetes@v$KUBERNETES")
  {
    echo 'replace ('
    sed --quiet --regexp-extended 's#^\s+(k8s\.io/[a-z-]+) => \./staging/.*#\1#p' "$upstream/go.mod" |
      while read -r library; do echo "  $library => $library v0.$minor.$patch"; done
    echo ')'
  } >>go.mod
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    ldflags+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1"
    ldflags+=" -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
  done
  go build -ldflags "$ldflags" -o "$BIN/$program" "k8s.io/kubernetes/cmd/$program"
}

# With the plugins that are used here; all of them bring the clients of three clouds.
build_coredns() {
  enter_module_for coredns "github.com/coredns/coredns@$coredns"
  {
    printf 'package main\n\nimport (\n\t"github.com/coredns/coredns/coremain"\n'
    for plugin in errors health kubernetes loadbalance ready reload template; do
      printf '\t_ "github.com/coredns/coredns/plugin/%s"\n' "$plugin"
    done
    printf ')\n\nfunc main() { coremain.Run() }\n'
  } >main.go
  go build -ldflags '-s -w' -o "$BIN/coredns" .
}

build_prometheus-adapter() {
  enter_module_for prometheus-adapter "sigs.k8s.io/prometheus-adapter@$prometheus_adapter"
  go build -ldflags '-s -w' -o "$BIN/prometheus-adapter" sigs.k8s.io/prometheus-adapter/cmd/adapter
}

build_helm() { cp "$("$TOP/tests/chart/install_tool.sh" helm)" "$BIN/helm"; }

# What holds a pod's namespaces: it does nothing until it is told to stop.
build_pause() {
  gcc -Os -static -s -Wall -Werror -o "$BIN/pause" "$CLUSTER_SOURCE/pause.c"
}

# The types of others that the chart makes objects of: bin/crds.yaml.
build_crds.yaml() { "$TOP/tests/chart/schemas.py" crds >"$BIN/crds.yaml"; }

build() {
  local program=$1 seconds=$SECONDS
  [[ ! -s $BIN/$program ]] || return 0
  echo "$program..."
  case $program in
    kube*) (build_kubernetes "$program") ;;
    *) ("build_$program") ;;
  esac
  echo "$program: $((SECONDS - seconds)) s, $(($(stat --format=%s "$BIN/$program") / 1000000)) MB"
}

mkdir --parents "$BIN"
if (($# == 0)); then
  set -- kube-apiserver kubectl crds.yaml pause helm kube-controller-manager kube-scheduler kube-proxy \
    kubelet coredns prometheus-adapter
fi
for program in "$@"; do
  build "$program"
done
