#!/bin/bash
# Builds helm or kubeconform from its source, by Go's own module proxy, into build/tools, and prints its
# path: install_tool.sh helm|kubeconform. Does nothing more when it is there. Helm takes about four
# minutes of one core.
set -euo pipefail
cd "$(dirname "$0")/../.."

kubernetes=36 # what `helm template` takes for the cluster's version unless it is told: 1.36
ldflags='-s -w'
case ${1:-} in
  helm)
    version=v3.22.0
    package=helm.sh/helm/v3/cmd/helm
    ldflags+=" -X helm.sh/helm/v3/internal/version.version=$version"
    for name in Major=1 Minor=$kubernetes; do
      ldflags+=" -X helm.sh/helm/v3/pkg/chartutil.k8sVersion$name"
    done
    ;;
  kubeconform)
    version=v0.8.0
    package=github.com/yannh/kubeconform/cmd/kubeconform
    ;;
  *)
    echo "usage: $0 helm|kubeconform" >&2
    exit 2
    ;;
esac

folder=$PWD/build/tools/$1-$version
if [[ ! -x $folder/$1 ]]; then
  PATH=$(deploy/packages/install_go.sh):$PATH
  mkdir --parents "$folder"
  CGO_ENABLED=0 GOFLAGS='-mod=mod -buildvcs=false -trimpath' GOWORK=off GOBIN=$folder \
    go install -ldflags "$ldflags" "$package@$version" >&2
fi
echo "$folder/$1"
