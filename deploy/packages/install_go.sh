#!/bin/bash
# Prints the folder of a Go of at least the version below, which Debian 12 does not have: the
# machine's own where it is new enough, else the toolchain that Go's module proxy keeps, which this
# puts into build/tools, once (72 MB to fetch).
set -euo pipefail
cd "$(dirname "$0")/../.."

version=1.26.8
sha256=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7 # of the module's zip

own=$(PATH=$PATH:/usr/local/go/bin command -v go || true)
if [[ -n $own ]]; then
  found=$(GOTOOLCHAIN=local "$own" env GOVERSION)
  oldest=$(printf '%s\n' "${found#go}" "${version%.*}" | sort --version-sort | head -n 1)
  if [[ $oldest == "${version%.*}" ]]; then
    dirname "$own"
    exit
  fi
fi

module=golang.org/toolchain@v0.0.1-go$version.linux-amd64
folder=$PWD/build/tools/$module
if [[ ! -x $folder/bin/go ]]; then
  mkdir --parents build/tools
  archive=$(mktemp build/tools/go.XXXXXX.zip)
  trap 'rm --force "$archive"' EXIT
  curl --fail --silent --show-error --location --output "$archive" \
    "https://proxy.golang.org/${module/@//@v/}.zip"
  if ! sha256sum --status --check <<<"$sha256  $archive"; then
    echo "$0: $module is not what it was: its checksum is another" >&2
    exit 1
  fi
  /usr/bin/python3 -m zipfile --extract "$archive" build/tools
  chmod --recursive a+x "$folder/bin" "$folder/pkg/tool"
fi
echo "$folder/bin"
