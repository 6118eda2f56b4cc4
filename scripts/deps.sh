#!/usr/bin/env bash
# Installs what is missing to build, run and test vecna on Debian 12 and its relatives. Never asks.
# With everything in place it only looks, and needs no privileges.
set -eu

packages=(
    build-essential pkg-config         # compiler, make, binutils
    libdnnl-dev                        # matrix products
    libopenblas0-pthread liblapacke    # factorisations, loaded at run time
    libutf8proc-dev liblzma-dev zlib1g-dev # text: Unicode, packed files
    libssl-dev libcurl4-openssl-dev libyaml-dev libsqlite3-dev # the server
    libcairo2-dev fonts-dejavu-core    # pictures
    libcmocka-dev                      # unit tests
    chromium chromium-driver           # end-to-end tests of the dashboard
    python3 python3-venv               # end-to-end and reference tests
    clang-14 clang-format-14 libclang-rt-14-dev # lint and fuzzers
)

if ! command -v dpkg-query >/dev/null; then
    echo "make deps knows Debian's packages only. Install the equivalents of: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "missing packages: ${missing[*]}; run as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "== installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
