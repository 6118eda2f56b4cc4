#!/usr/bin/env bash
# Runs the tests of one build folder: `scripts/test.sh build/asan [unit|python] [name part]`.
# Ends with one line: N passed, N failed, N skipped.
set -u
cd "$(dirname "$0")/.."
build=$1
kind=${2:-all}
only=${3:-}
passed=0 failed=0 skipped=0

# Leaks are ours or a system library's; the file names the latter with reasons.
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export ASAN_OPTIONS="detect_stack_use_after_return=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export VECNA="$PWD/$build/vecna"

run_unit() {
    local binary log status
    mkdir -p "$build/logs"
    while read -r binary; do
        log="$build/logs/${binary#"$build/tests/unit/"}.log"; mkdir -p "$(dirname "$log")"
        "$binary" >"$log" 2>&1
        status=$?
        local ok bad skip
        ok=$(grep -cE '^\[ +OK +\]' "$log")
        bad=$(grep -E '^\[ +FAILED +\] [a-z_0-9]+$' "$log" | sort -u | wc -l)
        skip=$(grep -E '^\[ +SKIPPED +\] [a-z_0-9]+$' "$log" | sort -u | wc -l)
        if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
        printf '   %-44s %3d passed' "${binary#"$build/tests/"}" "$ok"
        [ "$skip" -gt 0 ] && printf ', %d skipped' "$skip"
        [ "$bad" -gt 0 ] && printf ', %d FAILED' "$bad"
        printf '\n'
        if [ "$status" -ne 0 ]; then tail -60 "$log"; fi
        passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    done < <(find "$build/tests/unit" -name '*_test' -type f | sort | grep -F -- "$only")
}

run_python() {
    local log="$build/logs/pytest.log" line
    mkdir -p "$build/logs"
    compgen -G 'tests/*/test_*.py' >/dev/null || return
    scripts/test_env.sh || { echo "   cannot make the Python environment"; failed=$((failed + 1)); return; }
    scripts/test_clients.sh || { echo "   cannot install the official clients"; failed=$((failed + 1)); }
    scripts/test_models.sh || { echo "   cannot install the model servers"; failed=$((failed + 1)); }
    build/venv/bin/python -m pytest -q -x --maxfail=20 tests --ignore=tests/fuzz -k "$only" 2>&1 | tee "$log" | sed 's/^/   /'
    line=$(tail -1 "$log")
    count() { grep -oE "[0-9]+ $1" <<<"$line" | grep -oE '[0-9]+' || echo 0; }
    passed=$((passed + $(count passed)))
    failed=$((failed + $(count failed) + $(count error)))
    skipped=$((skipped + $(count skipped)))
    grep -qE 'passed|failed|deselected' <<<"$line" || failed=$((failed + 1))
}

if [ "$kind" = all ] || [ "$kind" = unit ]; then
    echo "== unit tests"
    run_unit
fi
if [ "$kind" = all ] || [ "$kind" = python ]; then
    echo "== command line and reference tests"
    run_python
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
