#!/usr/bin/env bash
# The ARM kernels: compiled with every warning an error by aarch64-linux-gnu-gcc, and, where QEMU's user
# emulation is installed, held against portable and long double by the same tests as the others.
# Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static. Says what it could not do.
set -eu
cd "$(dirname "$0")/.."
compiler=${NEON_CC:-aarch64-linux-gnu-gcc}
flags=(-std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Ilib -I. -O2 -ffp-contract=off -pthread -Wall -Wextra -Wpedantic
    -Wshadow -Wconversion -Wno-sign-conversion -Wcast-qual -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror)

if ! command -v "$compiler" >/dev/null; then
    echo "neon: $compiler is not installed; nothing checked"
    exit 0
fi
out=build/neon
mkdir -p "$out"
for source in lib/base/*.c lib/metric/*.c; do
    object=$out/$(basename "$source" .c).o
    "$compiler" "${flags[@]}" -c "$source" -o "$object"
done
echo "neon: base and metric compile for aarch64"

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if [ -z "$qemu" ]; then
    echo "neon: no qemu-aarch64; the kernels were not run"
    exit 0
fi
for test in base/half base/random metric/metric; do
    binary=$out/$(basename "$test")_test
    "$compiler" "${flags[@]}" -Wno-float-conversion -Itests/cross -static -o "$binary" "tests/unit/${test}_test.c" \
        tests/unit/support/support.c "$out"/*.o -lm
    echo "neon: $test under $(basename "$qemu")"
    "$qemu" "$binary"
done
