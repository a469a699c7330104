#!/bin/bash
# Installs the Debian packages of the lists named, from this folder: install.sh build test
# Does nothing, and needs no network, when they are all there. Starts no daemon. A line `unpack NAME`
# is a package that cannot be installed beside the others: its files are put below $peers.
set -euo pipefail
cd "$(dirname "$0")"

if (($# == 0)); then
  echo "usage: $0 LIST...   (build, test)" >&2
  exit 2
fi

peers=/usr/local/lib/turnpike-peers

packages=()
to_unpack=()
for list in "$@"; do
  while read -r package rest; do
    if [[ $package == unpack ]]; then
      [[ -e $peers/.$rest ]] || to_unpack+=("$rest")
    else
      packages+=("$package")
    fi
  done < <(sed --expression='s/#.*//' --expression='/^[[:space:]]*$/d' "debian-$list.txt")
done

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
((${#missing[@]} + ${#to_unpack[@]})) || exit 0

if ((EUID != 0)); then
  echo "These packages are missing; install them as root: ${missing[*]} ${to_unpack[*]}" >&2
  exit 1
fi

# Debian starts a daemon as soon as its package is installed, unless this file says no. An existing
# one (containers have it) is put back afterwards.
policy=/usr/sbin/policy-rc.d
saved=$(mktemp --directory)
if [[ -e $policy ]]; then
  cp --archive "$policy" "$saved/policy-rc.d"
fi
restore() {
  if [[ -e $saved/policy-rc.d ]]; then
    mv --force "$saved/policy-rc.d" "$policy"
  else
    rm --force "$policy"
  fi
  rm --recursive --force "$saved"
}
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
echo "Installing $((${#missing[@]} + ${#to_unpack[@]})) Debian packages: ${missing[*]} ${to_unpack[*]}"
# The tests run Postfix with configurations of their own; the system's one stays to itself.
if command -v debconf-set-selections >/dev/null; then
  echo 'postfix postfix/main_mailer_type select Local only' | debconf-set-selections
fi
log=$saved/apt.log
wait_for_lock='--option=DPkg::Lock::Timeout=600'
unpack() {
  local package folder=$saved/unpack
  for package in "$@"; do
    rm --recursive --force "$folder"
    mkdir --parents "$folder" "$peers"
    (cd "$folder" && apt-get --quiet --option=APT::Sandbox::User=root download "$package") ||
      return 1
    dpkg --extract "$folder"/*.deb "$peers" || return 1
    touch "$peers/.$package"
  done
}
if ! {
  apt-get "$wait_for_lock" --quiet update &&
    { ((${#missing[@]} == 0)) ||
      apt-get "$wait_for_lock" --quiet --yes --no-install-recommends install "${missing[@]}"; } &&
    unpack "${to_unpack[@]}"
} </dev/null >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
