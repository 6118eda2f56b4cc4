#!/usr/bin/env bash
# The Python environment of the tests, in build/venv: made once, and again when its list changes.
set -eu
cd "$(dirname "$0")/.."
wanted=$(sha256sum tests/requirements.txt | cut -d' ' -f1)
[ "$(cat build/venv/.wanted 2>/dev/null)" = "$wanted" ] && exit 0
echo "== preparing the Python environment of the tests (build/venv)"
rm -rf build/venv
python3 -m venv build/venv
build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
echo "$wanted" >build/venv/.wanted
