#!/usr/bin/env bash
# Every fuzzer for FUZZ_SECONDS (30) each, two at a time, from its corpus in the repository; finds go to
# build/fuzz/. FUZZ_SEED makes a run repeatable.
set -u
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-30}
if ! [ "$seconds" -gt 0 ]; then # libFuzzer takes 0 for ever
    echo "FUZZ_SECONDS=$seconds: give 1 or more" >&2
    exit 2
fi

# One fuzzer: a line on success, its log on a find.
fuzz() {
    local binary=$1 seconds=$2 name log options=()
    name=$(basename "$binary")
    log="build/fuzz/$name.log"
    mkdir -p "build/fuzz/found/$name" "build/fuzz/work/$name" "tests/fuzz/corpus/$name"
    [ -f "tests/fuzz/$name.dict" ] && options+=("-dict=tests/fuzz/$name.dict")
    [ -n "${FUZZ_SEED:-}" ] && options+=("-seed=$FUZZ_SEED")
    if "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 "${options[@]}" \
        -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/work/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        printf '== fuzz %-14s %s\n' "$name" "$(grep -E 'Done' "$log" | tail -1)"
    else
        printf '== fuzz %-14s FOUND something\n' "$name"
        tail -40 "$log"
        return 1
    fi
}
export -f fuzz

find build/fuzz/tests/fuzz -type f -perm -u+x 2>/dev/null | sort |
    xargs -P 2 -I{} bash -c 'fuzz {} '"$seconds"
