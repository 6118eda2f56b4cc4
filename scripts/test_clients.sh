#!/usr/bin/env bash
# The official clients that the server is tested with, in build/clients: Python's in a virtual environment,
# Node's in node_modules. Made once, and again when their lists change. Without npm there are no Node
# clients; the tests say so.
set -eu
cd "$(dirname "$0")/.."
lists=tests/server/clients
wanted=$(cat $lists/requirements.txt $lists/package.json | sha256sum | cut -d' ' -f1)
command -v npm >/dev/null || wanted="$wanted without npm"
[ "$(cat build/clients/.wanted 2>/dev/null)" = "$wanted" ] && exit 0
echo "== preparing the official clients for the tests (build/clients)"
rm -rf build/clients
mkdir -p build/clients
python3 -m venv build/clients/python
build/clients/python/bin/pip install --quiet --disable-pip-version-check -r $lists/requirements.txt
if command -v npm >/dev/null; then
    cp $lists/package.json build/clients/
    (cd build/clients && npm install --silent --no-audit --no-fund --ignore-scripts)
fi
echo "$wanted" >build/clients/.wanted
