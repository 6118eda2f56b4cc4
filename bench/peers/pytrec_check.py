#!/usr/bin/env python3
"""Hold `vecna eval` against pytrec_eval (trec_eval's own C code) to 1e-6.

    pytrec_check.py --vecna build/vecna [--examples examples]

For both models of both judged sets of examples/ (BEIR qrels), and for random cases (TREC qrels) with
graded relevance, several relevant documents, queries nobody judged, queries with nothing relevant and judged
documents that the corpus does not hold. The run that pytrec_eval scores is made here in float64 from
the same float32 rows. Exit status 1 if one figure differs by more than 1e-6.
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

CUTS = (1, 5, 10, 100)


def truth(sim, query_ids, corpus_ids, qrels, cut):
    """Means over the judged queries. MRR@cut is recip_rank of the first `cut` places only."""
    names = {f"ndcg_cut_{cut}": "ndcg", f"recall_{cut}": "recall", "map": "map"}
    run = {q: dict(zip(corpus_ids, map(float, row))) for q, row in zip(query_ids, sim) if q in qrels}
    asked = {f"ndcg_cut.{cut}", f"recall.{cut}", "map"}
    got = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    short = {q: dict(sorted(found.items(), key=lambda e: -e[1])[:cut]) for q, found in run.items()}
    first = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(short)
    mean = {ours: float(np.mean([got[q][name] for q in got])) for name, ours in names.items()}
    mean["mrr"] = float(np.mean([first[q]["recip_rank"] for q in first]))
    return mean


def compare(label, binary, work, case, cut):
    corpus_ids, corpus, query_ids, queries, qrels, qrels_file = case
    for name, ids, rows in (("corpus", corpus_ids, corpus), ("queries", query_ids, queries)):
        np.save(work / f"{name}.npy", rows.astype(np.float32))
        (work / f"{name}.jsonl").write_text("".join(json.dumps({"id": i}) + "\n" for i in ids))
    command = [binary, "eval", work / "corpus.npy", work / "queries.npy", "--qrels", qrels_file, "-k", cut, "--json"]
    command += ["--corpus-texts", work / "corpus.jsonl", "--query-texts", work / "queries.jsonl"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{label}: vecna eval ended with {done.returncode}: {done.stderr.strip()}")
        return 1
    measured = json.loads(done.stdout)["truths"][0]["measures"]
    bad = 0
    for name, expected in truth(similarity(queries, corpus), query_ids, corpus_ids, qrels, cut).items():
        got = measured[name]["translated"]["value"]
        if abs(got - expected) > 1e-6:
            print(f"{label}, k {cut}: {name} vecna {got:.8f}, trec_eval {expected:.8f}")
            bad += 1
    return bad


def read_qrels(path):
    qrels = {}
    for line in path.read_text().splitlines()[1:]:
        query, document, score = line.split("\t")
        qrels.setdefault(query, {})[document] = int(score)
    return qrels


def example_case(home, label):
    ids = [[row["id"] for row in sets.jsonl(home / f"{part}.jsonl")] for part in ("corpus", "queries")]
    corpus, queries = (np.load(home / f"{part}.{label}.npy") for part in ("corpus", "queries"))
    return ids[0], corpus, ids[1], queries, read_qrels(home / "qrels.tsv"), home / "qrels.tsv"


def random_case(work, seed, count=300, asked=60, dim=32):
    rng = np.random.default_rng(seed)
    queries = sets.unit(rng.standard_normal((asked, dim)))
    corpus = rng.standard_normal((count, dim))
    corpus += 2.0 * queries[rng.integers(0, asked, size=count)]  # so that something is found
    corpus_ids, query_ids = [f"d{i}" for i in range(count)], [f"q{i}" for i in range(asked)]
    qrels = {}
    for q in range(asked - 5):  # five queries nobody judged
        near = np.argsort(-(corpus @ queries[q]))[:40]
        chosen = rng.choice(near, size=rng.integers(1, 25), replace=False)
        grades = rng.integers(0, 4, size=len(chosen)) if q % 9 else np.zeros(len(chosen), int)
        qrels[query_ids[q]] = {corpus_ids[d]: int(g) for d, g in zip(chosen, grades)}
        if q % 7 == 0:
            qrels[query_ids[q]][f"gone{q}"] = 1
    lines = [f"{q} 0 {d} {s}" for q, wanted in qrels.items() for d, s in wanted.items()]
    (work / f"random{seed}.qrels").write_text("\n".join(lines) + "\n")
    corpus, queries = (sets.unit(x).astype(np.float32) for x in (corpus, queries))
    return corpus_ids, corpus, query_ids, queries, qrels, work / f"random{seed}.qrels"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = pathlib.Path(__file__).resolve().parents[2] / "examples"
    parser.add_argument("--vecna", required=True)
    parser.add_argument("--examples", type=pathlib.Path, default=home)
    args = parser.parse_args()
    bad = checked = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        cases = {
            f"{name} {label}": example_case(args.examples / name, label)
            for name in ("glosses", "passages")
            for label in (sets.SHORT[384], sets.SHORT[768])
        }
        cases.update({f"random {seed}": random_case(work, seed) for seed in range(5)})
        for label, case in cases.items():
            for cut in CUTS:
                bad += compare(label, args.vecna, work, case, cut)
                checked += 4
    print(f"{checked - bad} of {checked} figures (nDCG, recall, MRR, MAP at {CUTS}) agree with trec_eval to 1e-6")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
