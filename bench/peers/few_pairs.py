#!/usr/bin/env python3
"""Few pairs that lean on a generic map: `vecna fit --prior`, and how many pairs the other tools need for the same.

    few_pairs.py --data DIR [--vecna build/vecna] [--prior MAP] [--pairs 0,50,200,1000] [--peers] [--json FILE]

Glosses and verses, both directions, documents and queries, the measures of compare.py. Clean: the pairs to fit from (4,000
glosses, 3,800 verses, judged rows never among them) are out of the corpus, which is the same for every row of a table,
and N pairs are the first N of them. The prior of a set is fitted on the pairs of the *other* set (as in the reference
figures: another kind of text), or is the map that --prior names, with {source} and {target} for minilm and mpnet.

own       the N pairs alone, `vecna fit`
prior     with --prior; N = 0: the prior alone; "0 + means": its means replaced by those of the corpus (--unpaired)
--peers   isotrieve, rebasis and embspec with 1,000 and with all pairs: the best row of each is named with hindsight
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import measures
import methods
import sets

NAMES = {384: "minilm", 768: "mpnet"}
PEERS = ("isotrieve:ridge", "rebasis:procrustes", "rebasis:procrustes_centered", "rebasis:linear", "embspec:0.01")


def run(binary, *words):
    done = subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done


def save(work, name, rows):
    np.save(work / name, rows.astype(np.float32))
    return work / name


class Cell:
    """One set, old model a, new model b. Documents translate a -> b, queries b -> a."""

    def __init__(self, data, name, a, b, work):
        self.judged = sets.from_data(data, name, 4000)
        self.name, self.a, self.b, self.work = name, a, b, pathlib.Path(work)
        j = self.judged
        self.native = measures.ndcg(measures.similarity(j.queries[b], j.corpus[b]), j.relevant).mean()
        self.kept = measures.ndcg(measures.similarity(j.queries[a], j.corpus[a]), j.relevant).mean() / self.native

    def sides(self, role):
        return (self.a, self.b) if role == "document" else (self.b, self.a)

    def score(self, role, translate):
        j = self.judged
        if role == "document":
            sim = measures.similarity(j.queries[self.b], translate(j.corpus[self.a]))
        else:
            sim = measures.similarity(translate(j.queries[self.b]), j.corpus[self.a])
        return measures.ndcg(sim, j.relevant).mean() / self.native

    def by_map(self, binary, path):
        def translate(rows):
            save(self.work, "in.npy", rows)
            run(binary, "translate", self.work / "in.npy", self.work / "out.npy", "--map", path, "--force")
            return np.load(self.work / "out.npy").astype(np.float64)

        return translate

    def fit(self, binary, role, count, prior=None, extra=()):
        s, t = self.sides(role)
        path = self.work / "fitted.vecna"
        words = ["fit"]
        if count:
            words += [save(self.work, f"{x}.npy", self.judged.pairs[d][:count]) for x, d in (("s", s), ("t", t))]
        words += ["-o", path, "--role", role, "--resamples", 60, *extra]
        done = run(binary, *words, *(("--prior", prior) if prior else ()), "--json")
        return self.by_map(binary, path), json.loads(done.stdout)

    def with_means(self, binary, role, prior):
        """The corpus in the old space and, in the new one, rows that are not its texts' (the pairs' side)."""
        s, t = self.sides(role)
        path = self.work / "means.vecna"
        rows = [save(self.work, "ms.npy", self.judged.corpus[s]), save(self.work, "mt.npy", self.judged.pairs[t])]
        run(binary, "fit", *rows, "--unpaired", "--prior", prior, "-o", path, "--role", role)
        return self.by_map(binary, path)


def prior_of(data, binary, name, s, t, role, work):
    other = sets.from_data(data, {"glosses": "verses", "verses": "glosses"}[name], 4000)
    path = pathlib.Path(work) / f"prior-{name}-{s}-{t}-{role}.vecna"
    if not path.exists():
        files = [save(pathlib.Path(work), f"p{x}.npy", other.pairs[d]) for x, d in (("s", s), ("t", t))]
        run(binary, "fit", *files, "-o", path, "--role", role, "--resamples", 60)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--vecna", default="build/vecna")
    parser.add_argument("--prior")
    parser.add_argument("--pairs", default="0,50,200,500,1000")
    parser.add_argument("--roles", default="document,query")
    parser.add_argument("--directions", default="384,768", help="dimensions of the old model")
    parser.add_argument("--sets", default="glosses,verses")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    o = parser.parse_args()
    counts = [int(n) for n in o.pairs.split(",")]
    table, found = methods.table(), []

    def report(**row):
        found.append(row)
        print("  ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()), flush=True)
        if o.json:
            o.json.write_text(json.dumps(found, indent=1))

    with tempfile.TemporaryDirectory() as work:
        for name in o.sets.split(","):
            for a, b in [(int(a), 1152 - int(a)) for a in o.directions.split(",")]:
                cell = Cell(o.data, name, a, b, work)
                for role in o.roles.split(","):
                    s, t = cell.sides(role)
                    key = {"set": name, "direction": f"{a}->{b}", "role": role}
                    report(**key, pairs=0, what="keep the old model", retention=float(cell.kept))
                    prior = o.prior.format(source=NAMES[s], target=NAMES[t]) if o.prior else prior_of(
                        o.data, o.vecna, name, s, t, role, work)
                    for count in counts:
                        fitted, about = cell.fit(o.vecna, role, count, prior)
                        extra = {"weight": float(about["report"]["prior"]["weight"]), "verdict": about["verdict"]}
                        report(**key, pairs=count, what="prior", retention=float(cell.score(role, fitted)), **extra)
                        if count == 0:
                            fitted = cell.with_means(o.vecna, role, prior)
                            report(**key, pairs=0, what="prior, own means", retention=float(cell.score(role, fitted)))
                        else:
                            fitted, about = cell.fit(o.vecna, role, count)
                            report(**key, pairs=count, what="own", retention=float(cell.score(role, fitted)), verdict=about["verdict"])
                    for count in (1000, 4000) if o.peers else ():
                        x, y = (cell.judged.pairs[d][:count] for d in (s, t))
                        for peer in PEERS:
                            try:
                                fitted = table[peer](x, y, role, work)
                            except Exception as why:  # a peer that refuses a cell is a result
                                print(f"  {peer}: {type(why).__name__}: {why}", file=sys.stderr)
                                continue
                            report(**key, pairs=len(x), what=peer, retention=float(cell.score(role, fitted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
