#!/usr/bin/env bash
# Every fuzzer for FUZZ_SECONDS (30) each, from its corpus in the repository; finds go to build/fuzz/.
set -u
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-30}
failed=0
for binary in $(find build/fuzz/tests/fuzz -type f -perm -u+x 2>/dev/null | sort); do
    name=$(basename "$binary")
    mkdir -p "build/fuzz/found/$name" "build/fuzz/work/$name" "tests/fuzz/corpus/$name"
    printf '== fuzz %-20s %s s ... ' "$name" "$seconds"
    log="build/fuzz/$name.log"
    dictionary=()
    [ -f "tests/fuzz/$name.dict" ] && dictionary=("-dict=tests/fuzz/$name.dict")
    if "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 "${dictionary[@]}" \
        -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/work/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        grep -E 'Done' "$log" | tail -1
    else
        echo "FOUND something"
        tail -40 "$log"
        failed=1
    fi
done
exit $failed
