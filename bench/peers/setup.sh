#!/usr/bin/env bash
# A Python environment with the other tools, in build/peers. rebasis needs Python 3.12 or later: without one
# its rows are left out and the rest is measured.
set -eu
cd "$(dirname "$0")/../.."
python=
for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python python3.11 python3; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "setup: no Python 3.11 or later with venv; set PYTHON=" >&2; exit 1; }
echo "== peers: $("$python" --version) in build/peers"
"$python" -m venv build/peers
build/peers/bin/pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
