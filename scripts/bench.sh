#!/usr/bin/env bash
# Every driver of bench/, one after the other. Each prints ratios against a limit or a peer of the same run.
set -eu
cd "$(dirname "$0")/.."
for binary in $(find build/release/bench -maxdepth 1 -type f -perm -u+x | sort); do
    echo "== $(basename "$binary")"
    "$binary"
done
