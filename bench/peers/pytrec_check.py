#!/usr/bin/env python3
"""Hold `vecna eval` against pytrec_eval (trec_eval's own C code) to 1e-6.

    pytrec_check.py --vecna build/vecna [--examples examples]

For both models of both judged sets of examples/, and for random qrels with graded relevance, several
relevant documents and queries without any, the run is made here in float64 and scored by pytrec_eval;
vecna gets the vectors and the same qrels. Exit status 1 if one figure differs by more than 1e-6.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pytrec_eval

import sets
from measures import similarity

# pytrec_eval's name -> names vecna may print it by, in lower case
WANTED = {
    "ndcg_cut_10": ("ndcg@10", "ndcg_at_10", "ndcg10"),
    "recall_1": ("recall@1", "recall_at_1", "recall1"),
    "recall_10": ("recall@10", "recall_at_10", "recall10"),
    "map": ("map", "average_precision"),
    "recip_rank": ("mrr", "recip_rank", "mrr@10", "mrr_at_10", "mrr10"),
}


def truth(sim, query_ids, corpus_ids, qrels, cut):
    """Mean over the judged queries. MRR@cut is recip_rank of the first `cut` places only."""
    run = {q: dict(zip(corpus_ids, map(float, row))) for q, row in zip(query_ids, sim) if q in qrels}
    got = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.1,10", "map", "recip_rank"}).evaluate(run)
    short = {q: dict(sorted(d.items(), key=lambda e: (-e[1], e[0]))[:cut]) for q, d in run.items()}
    rank = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(short)
    mean = {m: float(np.mean([got[q][m] for q in got])) for m in WANTED if m != "recip_rank"}
    mean["recip_rank"] = float(np.mean([rank[q]["recip_rank"] for q in rank]))
    mean["recip_rank, uncut"] = float(np.mean([got[q]["recip_rank"] for q in got]))
    return mean


def numbers(node, path=()):
    """Every number of a JSON document with its dotted path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, (*path, key.lower()))
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from numbers(value, (*path, str(at)))
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield path, float(node)


def find(document, names):
    """The figure called by one of `names`: its own key, or the `value`/`mean` below that key."""
    for path, value in numbers(document):
        if path[-1] in names or (len(path) > 1 and path[-1] in ("value", "mean", "native", "score") and path[-2] in names):
            return value
    return None


def compare(label, binary, corpus, queries, qrels_file, expected, extra):
    command = [binary, "eval", corpus, queries, "--qrels", qrels_file, "--json", *extra]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode not in (0, 3):
        print(f"{label}: vecna eval failed: {done.stderr.strip()}")
        return 1
    document, bad = json.loads(done.stdout), 0
    for measure, names in WANTED.items():
        got = find(document, names)
        allowed = [expected[measure]] + ([expected["recip_rank, uncut"]] if measure == "recip_rank" else [])
        if got is None:
            print(f"{label}: {measure} is not in the output")
            bad += 1
        elif min(abs(got - e) for e in allowed) > 1e-6:
            print(f"{label}: {measure} vecna {got:.8f}, trec_eval {allowed}")
            bad += 1
    print(f"{label}: {len(WANTED) - bad} of {len(WANTED)} agree to 1e-6")
    return bad


def read_qrels(path):
    qrels = {}
    for line in path.read_text().splitlines()[1:]:
        query, document, score = line.split("\t")
        qrels.setdefault(query, {})[document] = int(score)
    return qrels


def write_rows(path, ids, rows):
    """JSONL with vectors: ids travel with them."""
    with open(path, "w") as out:
        for name, row in zip(ids, rows):
            out.write(json.dumps({"id": name, "embedding": [float(v) for v in row]}) + "\n")


def random_case(work, seed, count=300, asked=60, dim=32):
    rng = np.random.default_rng(seed)
    corpus = sets.unit(rng.standard_normal((count, dim))).astype(np.float32)
    queries = sets.unit(rng.standard_normal((asked, dim))).astype(np.float32)
    corpus_ids = [f"d{i}" for i in range(count)]
    query_ids = [f"q{i}" for i in range(asked)]
    qrels = {}
    for q in range(asked - 5):  # five queries nobody judged
        chosen = rng.choice(count, size=rng.integers(1, 25), replace=False)
        qrels[query_ids[q]] = {corpus_ids[d]: int(rng.integers(0, 4)) for d in chosen}
    lines = [f"{q} 0 {d} {s}" for q, wanted in qrels.items() for d, s in wanted.items()]
    (work / "random.qrels").write_text("\n".join(lines) + "\n")
    return corpus_ids, corpus, query_ids, queries, qrels, work / "random.qrels"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vecna", required=True)
    parser.add_argument("--examples", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "examples")
    parser.add_argument("extra", nargs="*", help="further words for vecna eval, after --")
    args = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        cases = []
        for name in ("glosses", "passages"):
            home = args.examples / name
            for label in sets.SHORT.values():
                if not (home / f"corpus.{label}.npy").exists():
                    continue
                corpus, queries = (np.load(home / f"{part}.{label}.npy") for part in ("corpus", "queries"))
                ids = [[row["id"] for row in sets.jsonl(home / f"{part}.jsonl")] for part in ("corpus", "queries")]
                cases.append((f"{name} {label}", ids[0], corpus, ids[1], queries, read_qrels(home / "qrels.tsv"), home / "qrels.tsv"))
        cases += [(f"random {seed}", *random_case(work, seed)) for seed in range(3)]
        for label, corpus_ids, corpus, query_ids, queries, qrels, qrels_file in cases:
            write_rows(work / "corpus.jsonl", corpus_ids, corpus)
            write_rows(work / "queries.jsonl", query_ids, queries)
            expected = truth(similarity(queries, corpus), query_ids, corpus_ids, qrels, 10)
            bad += compare(label, args.vecna, work / "corpus.jsonl", work / "queries.jsonl", qrels_file, expected, args.extra)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
