#!/usr/bin/env bash
# Every driver of bench/, one after the other. Each prints ratios against a limit or a peer of the same run.
set -eu
cd "$(dirname "$0")/.."
for binary in $(find build/release/bench -maxdepth 1 -type f -perm -u+x | sort); do
    echo "== $(basename "$binary")"
    "$binary"
done
if command -v nginx >/dev/null && command -v taskset >/dev/null; then
    echo "== serve"
    scripts/test_env.sh
    build/venv/bin/python bench/serve/run.py --vecna build/vecna --rounds 5 --seconds 1
else
    echo "== serve: left out, nginx is not installed (apt-get install nginx-light)"
fi
