#!/usr/bin/env bash
# The main job, on the real vectors of examples/: translate between models and dimensions, and say what is
# kept. Results go to build/run/. Every command is printed before it runs; try them yourself.
set -u
cd "$(dirname "$0")/.."
vecna=build/vecna
data=examples
out=build/run
mkdir -p "$out"

say() { printf '\n\n== %s\n' "$*"; }
# Runs vecna; 3 is a verdict (FAIL), which is a result and not an error.
run() {
    printf '\n$ vecna'
    printf ' %s' "$@"
    printf '\n\n'
    "$vecna" "$@"
    local status=$?
    if [ $status -ne 0 ] && [ $status -ne 3 ]; then
        echo "make run: that failed with status $status" >&2
        exit 1
    fi
}

say "Two models wrote vectors for the same documents. What are they?"
run inspect $data/docs/pairs.ada-002.1536.npy
run inspect $data/docs/pairs.mpnet.768.npy

say "1536 -> 768: OpenAI ada-002 into all-mpnet-base-v2, learned from pairs"
run fit $data/docs/pairs.ada-002.1536.npy $data/docs/pairs.mpnet.768.npy --texts $data/docs/pairs.jsonl \
    --source-name openai/text-embedding-ada-002 --target-name all-mpnet-base-v2 -o $out/ada-to-mpnet.vecna
say "768 -> 1536: and back"
run fit $data/docs/pairs.mpnet.768.npy $data/docs/pairs.ada-002.1536.npy --texts $data/docs/pairs.jsonl \
    --source-name all-mpnet-base-v2 --target-name openai/text-embedding-ada-002 -o $out/mpnet-to-ada.vecna

say "Translate a file each way: documents that no map has seen"
run translate $data/docs/new.ada-002.1536.npy $out/new.ada-as-mpnet.768.npy --map $out/ada-to-mpnet.vecna
run translate $data/docs/new.mpnet.768.npy $out/new.mpnet-as-ada.1536.npy --map $out/mpnet-to-ada.vecna

say "Nearest neighbours of one new document: before (native mpnet), and after (translated from ada-002)"
run search $data/docs/pairs.mpnet.768.npy $data/docs/new.mpnet.768.npy --corpus-texts $data/docs/pairs.jsonl \
    --query-texts $data/docs/new.jsonl --rows 3 -k 3
run search $data/docs/pairs.mpnet.768.npy $out/new.ada-as-mpnet.768.npy --corpus-texts $data/docs/pairs.jsonl \
    --query-texts $data/docs/new.jsonl --rows 3 -k 3

say "384 -> 768 where retrieval is hard, with judged queries: MiniLM into mpnet on dictionary definitions"
run fit $data/glosses/pairs.minilm.384.npy $data/glosses/pairs.mpnet.768.npy --texts $data/glosses/pairs.jsonl \
    --source-name all-MiniLM-L6-v2 --target-name all-mpnet-base-v2 -o $out/minilm-to-mpnet.vecna
run translate $data/glosses/corpus.minilm.384.npy $out/glosses.minilm-as-mpnet.768.npy --map $out/minilm-to-mpnet.vecna
run eval $out/glosses.minilm-as-mpnet.768.npy $data/glosses/queries.mpnet.768.npy \
    --native-corpus $data/glosses/corpus.mpnet.768.npy \
    --old-corpus $data/glosses/corpus.minilm.384.npy --old-queries $data/glosses/queries.minilm.384.npy \
    --corpus-texts $data/glosses/corpus.jsonl --query-texts $data/glosses/queries.jsonl --qrels $data/glosses/qrels.tsv

say "768 -> 384: the way back"
run fit $data/glosses/pairs.mpnet.768.npy $data/glosses/pairs.minilm.384.npy --texts $data/glosses/pairs.jsonl \
    --source-name all-mpnet-base-v2 --target-name all-MiniLM-L6-v2 -o $out/mpnet-to-minilm.vecna
run translate $data/glosses/corpus.mpnet.768.npy $out/glosses.mpnet-as-minilm.384.npy --map $out/mpnet-to-minilm.vecna
run eval $out/glosses.mpnet-as-minilm.384.npy $data/glosses/queries.minilm.384.npy \
    --native-corpus $data/glosses/corpus.minilm.384.npy \
    --old-corpus $data/glosses/corpus.mpnet.768.npy --old-queries $data/glosses/queries.mpnet.768.npy \
    --corpus-texts $data/glosses/corpus.jsonl --query-texts $data/glosses/queries.jsonl --qrels $data/glosses/qrels.tsv

say "3072 -> 2048 inside one space, and restored: cut, PCA, random, learned"
run reduce $data/support/fit.mpnet-last4.3072.npy $out/support.2048.npy --dim 2048 --test $data/support/test.mpnet-last4.3072.npy \
    --save-map $out/reduce.vecna --restore-map $out/restore.vecna
run translate $out/support.2048.npy $out/support.restored.3072.npy --map $out/restore.vecna

say "Vectors of another model at the same dimension are refused: 3-small is not ada-002"
printf '\n$ vecna translate %s ... --map %s\n\n' $data/docs/foreign.3-small.1536.npy $out/ada-to-mpnet.vecna
if "$vecna" translate $data/docs/foreign.3-small.1536.npy $out/never.npy --map $out/ada-to-mpnet.vecna; then
    echo "make run: that should have been refused" >&2
    exit 1
fi

say "And where vectors come from: words trained on old books, 28 million of them in 20 rounds"
run train word2vec $data/text/books.txt.xz -o $out/words.bin --epochs 20 --window 10 --min-count 20 \
    --threads 2 --seed 1
say "king - man + woman is"
run eval analogy $out/words.bin king - man + woman
run eval analogy $out/words.bin $data/text/questions.txt
say "Do the vectors find alike what people find alike?"
run eval similarity $out/words.bin $data/text/wordsim353.tsv
run plot $out/words.bin -o $out/king-and-queen.svg --kind analogy --words man,woman,king,queen,boy,girl,husband,wife
run plot $out/words.bin -o $out/words.svg --sample 1000 --names 120

say "Done. The maps, translated files, words and pictures are in $out/; vecna COMMAND --help says more."
