#!/bin/bash
# Builds helm from its source, by Go's own module proxy, into build/tools, and prints its path. Does
# nothing more when it is there. It takes about four minutes of one core.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v3.22.0
kubernetes=36 # what `helm template` takes for the cluster's version unless it is told: 1.36
folder=$PWD/build/tools/helm-$version

if [[ ! -x $folder/helm ]]; then
  PATH=$(deploy/packages/install_go.sh):$PATH
  mkdir --parents "$folder"
  chartutil=helm.sh/helm/v3/pkg/chartutil
  CGO_ENABLED=0 GOFLAGS='-mod=mod -buildvcs=false -trimpath' GOWORK=off GOBIN=$folder \
    go install -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$version \
      -X $chartutil.k8sVersionMajor=1 -X $chartutil.k8sVersionMinor=$kubernetes" \
    "helm.sh/helm/v3/cmd/helm@$version" >&2
fi
echo "$folder/helm"
