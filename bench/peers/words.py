#!/usr/bin/env python3
"""Word vectors as sentence embeddings: what docs/builtin-model.md has beside the built-in model.

    words.py --data DIR VECTORS VOCABULARY

A sentence is the mean of its words' vectors, plain or with SIF weights (A / (A + p), A = 0.001, p by Zipf's law from
the rank of the row), without the first principal direction of the judged texts, which SIF takes out. STS-B dev:
Spearman of cosines with judgements. XQuAD English: nDCG@10 of questions asking paragraphs. The vocabulary has a word a
line, most frequent first.
"""

import argparse
import csv
import json
import pathlib
import re

import numpy as np

import measures

WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def embed(texts, vectors, place, weights):
    rows = np.zeros((len(texts), vectors.shape[1]))
    for i, text in enumerate(texts):
        words = [place[w] for w in WORD.findall(text.lower()) if w in place]
        if words:
            rows[i] = weights[words] @ vectors[words] / len(words)
    return rows


def without_first(rows):
    """Rows without their part along the first singular direction of all."""
    direction = np.linalg.svd(rows, full_matrices=False)[2][0]
    return rows - np.outer(rows @ direction, direction)


def ranks(values):
    order = np.argsort(values, kind="stable")
    out = np.empty(len(values))
    out[order] = np.arange(len(values))
    for value in np.unique(values):
        same = values == value
        out[same] = out[same].mean()
    return out


def sts(data, model):
    with open(data / "eval" / "stsb-dev.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    first, second, score = (list(rows[0])[i] for i in (0, 1, 2)) if "sentence1" not in rows[0] else ("sentence1", "sentence2", "score")
    both = measures.unit(model([r[first] for r in rows] + [r[second] for r in rows]))
    cosine = (both[: len(rows)] * both[len(rows) :]).sum(axis=1)
    return float(np.corrcoef(ranks(cosine), ranks(np.array([float(r[score]) for r in rows])))[0, 1])


def xquad(data, model):
    read = lambda part: [json.loads(line) for line in open(data / "models" / f"xquad-{part}.jsonl", encoding="utf-8")]
    corpus, queries = read("corpus"), read("queries")
    rows = model([r["text"] for r in corpus] + [r["text"] for r in queries])
    sim = measures.similarity(rows[len(corpus) :], rows[: len(corpus)])
    return float(measures.ndcg(sim, [q["relevant"] for q in queries]).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("vectors", type=pathlib.Path)
    parser.add_argument("vocabulary", type=pathlib.Path)
    args = parser.parse_args()
    vectors = np.load(args.vectors).astype(np.float64)
    words = args.vocabulary.read_text(encoding="utf-8").split("\n")
    place = {word.split()[0]: i for i, word in enumerate(words[: len(vectors)]) if word.strip()}
    frequency = 1 / np.arange(1, len(vectors) + 1)
    sif = 1e-3 / (1e-3 + frequency / frequency.sum())
    print("| sentences | STS-B dev, Spearman | XQuAD English, nDCG@10 |\n|---|---|---|")
    for name, model in (("plain mean", lambda texts: embed(texts, vectors, place, np.ones(len(vectors)))),
                        ("SIF weights", lambda texts: embed(texts, vectors, place, sif)),
                        ("SIF, first direction out", lambda texts: without_first(embed(texts, vectors, place, sif)))):
        print(f"| {name} | {sts(args.data, model):.3f} | {xquad(args.data, model):.3f} |", flush=True)


if __name__ == "__main__":
    main()
