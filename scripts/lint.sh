#!/usr/bin/env bash
# What the project says it never does, checked. One function a rule; every breach is printed, then the
# script fails.
set -u
cd "$(dirname "$0")/.."
failed=0

breach() {
    echo "lint: $1" >&2
    failed=1
}

sources=$(find lib include cli tests bench bindings server examples \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
product=$(find lib include cli bindings server \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)

# Includes against LAYERS: "vecna/<m>.h" and "<m>/..." count as a use of module m.
layers() {
    # shellcheck disable=SC2086
    awk '
        FILENAME == "LAYERS" {
            if ($0 ~ /^[a-z]+:/) { sub(":", "", $1); for (i = 2; i <= NF; i++) may[$1, $i] = 1; known[$1] = 1 }
            next
        }
        FNR == 1 {
            n = split(FILENAME, part, "/")
            module = part[1] == "lib" || part[1] == "server" ? part[2] : part[1]
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, quoted, "\""); name = quoted[2]; split(name, p, "/")
            if (name ~ /\.\.\//) print FILENAME ":" FNR ": include \"" name "\" climbs out of its folder"
            used = p[1] == "vecna" ? p[2] : p[1]; sub(/\.h$/, "", used)
            if (module == "cli" || module == "examples" || module == "bindings") {
                if (p[1] != "vecna" && name != "vecna.h" && p[1] != module && !(module == "cli" && (name == "proxy/proxy_impl.h" || name == "dash/dash_impl.h")))
                    print FILENAME ":" FNR ": " module "/ may include vecna/*.h only, not \"" name "\""
            } else if ((part[1] == "lib" || part[1] == "server") && used != module) {
                if (!(module in known)) print FILENAME ":" FNR ": module " module " is not in LAYERS"
                else if (!((module, used) in may)) print FILENAME ":" FNR ": " module " may not include " used
                else if (p[1] != "vecna" && name != used "/" used "_impl.h")
                    print FILENAME ":" FNR ": reach " used " by vecna/" used ".h or " used "/" used "_impl.h"
            }
        }' LAYERS $product
}

# Every system library has one user.
owners() {
    local header owner
    while read -r header owner; do
        # shellcheck disable=SC2086
        grep -nE "#[ \t]*include[ \t]*<$header" $product | grep -vE "^$owner/" |
            sed "s#\$#  (only $owner/ may)#"
    done <<'TABLE'
(oneapi/dnnl|dnnl) lib/linalg
(lapacke|cblas|openblas|omp\.h) lib/linalg
dlfcn lib/linalg
(utf8proc|lzma|zlib)\.h lib/text
pthread (lib/base|server/net)
(sys/epoll|openssl) server/net
curl server/pool
(yaml|sqlite3)\.h server/proxy
cairo cli
postgres bindings/postgres
sqlite3ext bindings/sqlite
Python\.h bindings/python
TABLE
}

# lib/ computes: it never prints, exits or jumps; nobody uses what cannot be used safely.
banned() {
    grep -nE '\b(printf|fprintf|puts|putchar|perror|exit|abort|_exit|longjmp|setjmp)[ \t]*\(' \
        $(find lib -name '*.c') /dev/null | grep -vE 'snprintf|^[^:]*:[0-9]+:[ \t]*(/?\*|//)'
    # shellcheck disable=SC2086
    grep -nE '\b(gets|strcpy|strcat|sprintf|vsprintf|strtok|system|popen|alloca|tmpnam|mktemp)[ \t]*\(' $product
    grep -nE 'ffast-math|march=native|Ofast' Makefile $product
    # shellcheck disable=SC2086
    grep -nE '\b(TODO|FIXME|XXX)\b' $product
}

# Functions: none above 120 lines (a body starts at a lone { in column one under LLVM style or at the
# end of the line that opens it in column one).
lengths() {
    # shellcheck disable=SC2086
    awk '
        FNR == 1 { start = 0 }
        /^[a-zA-Z_].*[^;]$/ { head = FNR }
        /^[a-zA-Z_ \t*].*\{$/ && !/^(typedef|struct|enum|union|static const|extern)/ && !/= *\{$/ { if (!start) start = head ? head : FNR }
        /^\}/ { if (start && FNR - start > 120) print FILENAME ":" start ": a function of " FNR - start " lines; the limit is 120"; start = 0 }
    ' $product
}

formatting() {
    # shellcheck disable=SC2086
    "${CLANG_FORMAT:-clang-format-14}" --dry-run --ferror-limit=1 $sources 2>&1 | grep 'warning:' || true
}

# Every public header stands alone, as C11 and as C++17.
headers() {
    local header
    for header in include/vecna.h include/vecna/*.h; do
        cc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -fsyntax-only -x c "$header" ||
            echo "$header does not compile alone as C11"
        c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c++ "$header" ||
            echo "$header does not compile alone as C++17"
    done
}

# The libraries show vecna_ and nothing else.
symbols() {
    local library
    make -s all >/dev/null || { echo "the build fails"; return; }
    nm -D --defined-only build/libvecna.so | awk '$3 !~ /^(vecna_|_init$|_fini$)/ {print "build/libvecna.so exports " $3}'
    nm -g --defined-only build/libvecna.a | awk 'NF == 3 && $3 !~ /^vecna_/ {print "build/libvecna.a exports " $3}'
}

# Both compilers, every warning an error.
warnings() {
    local compiler
    # shellcheck disable=SC2086
    for compiler in gcc "${CLANG:-clang-14}"; do
        for source in $(find lib server cli bench -name '*.c' 2>/dev/null); do
            echo "$source"
        done | xargs -P "$(nproc)" -n 4 "$compiler" -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Ilib -Iserver -I. -O1 \
            -ffp-contract=off -pthread -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
            -Wcast-qual -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror -fsyntax-only 2>&1 |
            grep -E 'error|warning'
    done
}

# The ARM kernels still compile, and still give what the others give (where the tools are installed).
neon() {
    local log
    log=$(scripts/check_neon.sh 2>&1) || printf '%s\n' "$log"
}

for rule in layers owners banned lengths formatting headers symbols warnings neon; do
    found=$($rule 2>&1)
    if [ -n "$found" ]; then
        printf '%s\n' "$found" | head -40 >&2
        breach "$rule"
    fi
done
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed
