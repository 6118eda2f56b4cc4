#!/usr/bin/env bash
# Builds the trainers that no package registry carries, in a folder outside this repository, and a Python
# environment with the others:
#   bench/peers/train_setup.sh FOLDER
# A peer whose source is not in FOLDER is cloned from GitHub; what cannot be had is left out, and
# bench/peers/train.py then says so. Every program is built for this machine with its best flags:
#   word2vec   tmikolov/word2vec, -Ofast; its end-of-file flag is cleared between epochs (as it is published,
#              a thread that meets the end of the file stops for good and most epochs are never trained)
#   glove      stanfordnlp/GloVe, -Ofast
#   pWord2Vec  IntelLabs/pWord2Vec, -Ofast, its matrix products by OpenBLAS (PyPI's scipy-openblas32)
#   node2vec   snap-stanford/snap, examples/node2vec, -O3
#   koan       bloomberg/koan, -Ofast, with Eigen (Debian's libeigen3-dev)
#   gensim, scikit-learn, openTSNE, pecanpy  from PyPI
# mfaruqui/eval-word-vectors comes along for its sets of word pairs (MEN, RW), which train.py judges by.
set -u
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1" && cd "$1" || exit 1

source_of() { # OWNER/NAME
    [ -d "${1#*/}" ] || git clone -q --depth 1 "https://github.com/$1" 2>/dev/null || { echo "$1: cannot be had"; return 1; }
}
built() { [ -x "$1" ] && echo "$1: ready" || echo "$1: was not built"; }
fast=(-Ofast -march=native -funroll-loops -w)

if [ ! -x venv/bin/python ]; then
    python3 -m venv venv && venv/bin/pip install -q --disable-pip-version-check gensim scipy-openblas32 scikit-learn openTSNE pecanpy
fi

source_of tmikolov/word2vec &&
    sed 's/fseek(fi, file_size/eof = 0; fseek(fi, file_size/' word2vec/word2vec.c >word2vec.c &&
    gcc word2vec.c -o word2vec.bin "${fast[@]}" -lm -pthread
built word2vec.bin

if source_of stanfordnlp/GloVe; then
    for tool in vocab_count cooccur shuffle glove; do
        gcc "GloVe/src/$tool.c" GloVe/src/common.c -o "glove_$tool.bin" "${fast[@]}" -lm -pthread
    done
fi
built glove_glove.bin

blas=$(venv/bin/python -c 'import scipy_openblas32 as s; print(s.get_include_dir(), s.get_lib_dir())' 2>/dev/null)
if [ -n "$blas" ] && source_of IntelLabs/pWord2Vec; then
    read -r include lib <<<"$blas"
    mkdir -p shim
    printf '#include <cblas.h>\n#include <mm_malloc.h>\n#define cblas_sgemm scipy_cblas_sgemm\n#define mkl_set_num_threads(n) ((void)0)\n' >shim/mkl.h
    g++ -std=c++11 -fopenmp -DUSE_MKL -DMKL_INT=int -Ishim -I"$include" pWord2Vec/pWord2Vec.cpp -o pword2vec.bin "${fast[@]}" \
        -fpermissive -L"$lib" -lscipy_openblas -Wl,-rpath,"$lib"
fi
built pword2vec.bin

if source_of snap-stanford/snap; then
    make -s -C snap/snap-core >/dev/null 2>&1
    make -s -C snap/examples/node2vec >/dev/null 2>&1
    cp snap/examples/node2vec/node2vec node2vec.bin 2>/dev/null
fi
built node2vec.bin

if source_of bloomberg/koan; then
    (cd koan && g++ koan.cpp -o ../koan.bin -std=c++17 -pthread -DKOAN_ENABLE_ZIP -Ofast -march=native -I/usr/include/eigen3 -I. -w -lz)
fi
built koan.bin

source_of mfaruqui/eval-word-vectors && echo "word pairs: ready"
