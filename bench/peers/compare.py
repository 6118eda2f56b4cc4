#!/usr/bin/env python3
"""Other tools and vecna on the same splits of the same real vectors, as markdown tables.

    compare.py [--data DIR] [--more DIR] [--pairs 1000,2000] [--sets TEXT] [--only TEXT] [--vecna build/vecna] [--json FILE]

Without --data: the sets of examples/. With it: also glosses and verses in full, glosses with all their pairs left
in the corpus, and more; with --more the pairs of make_pairs.py, which are in no corpus.

Judged sets. documents: the corpus is translated old -> new, native new queries ask it. queries: the
corpus stays old, queries of the new model are translated new -> old. Both figures are the share
of nDCG@10 that the native new model has on the same corpus and queries, with a paired
bootstrap interval (2000 resamples of the queries). "keep the old model" is the same share for
the old model alone: a translation below it is not worth making.

docs (1536 <-> 768) has no judged queries: folds, the held-out rows are corpus and queries; truth is what
the native new model finds. With --data, so are the sets of sets.UNJUDGED, some with less than a hundred pairs.

Every method gets the same float64 unit rows and returns rows that are normalised here. vecna is one
more method: files in, its binary, files out.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np

import measures
import methods
import sets

HERE = pathlib.Path(__file__).resolve().parent
ROLE_BLIND = lambda name: name not in ("numpy:blend",) and not name.startswith("vecna")


def note(text):
    print(text, file=sys.stderr, flush=True)


class Fitter:
    """Fits once per (cell, direction, method) where the role makes no difference."""

    def __init__(self, table, work):
        self.table, self.work, self.done = table, pathlib.Path(work), {}

    def __call__(self, cell, name, pairs, a, b, role):
        key = (cell, name, a, b, "any" if ROLE_BLIND(name) else role)
        if key not in self.done:
            folder = self.work / str(len(self.done))
            try:
                self.done[key] = methods.timed(self.table[name], pairs[a], pairs[b], role, folder)
            except Exception as why:  # a peer that refuses a cell is a result, not an accident
                note(f"  {name}: {type(why).__name__}: {why}")
                self.done[key] = (None, 0.0)
        return self.done[key]


def judged_cell(judged, a, b, fitter):
    """All methods on one direction: per-query nDCG@10 and fit seconds (documents)."""
    q, c, relevant = judged.queries, judged.corpus, judged.relevant
    native = measures.ndcg(measures.similarity(q[b], c[b]), relevant)
    old = measures.ndcg(measures.similarity(q[a], c[a]), relevant)
    out = {"native": native, "old": old, "methods": {}}
    for name in fitter.table:
        doc, seconds = fitter(judged.fitted, name, judged.pairs, a, b, "document")
        ask, _ = fitter(judged.fitted, name, judged.pairs, b, a, "query")
        got = {"seconds": seconds}
        if doc:
            got["document"] = measures.ndcg(measures.similarity(q[b], doc(c[a])), relevant)
        if ask:
            got["query"] = measures.ndcg(measures.similarity(ask(q[b]), c[a]), relevant)
        out["methods"][name] = got
    return out


def folded_cell(set_name, rows, a, b, fitter):
    """Folds of one set: per-row overlap@10 both ways and whether a row finds itself first."""
    out = {name: {"itself": [], "document": [], "query": [], "cosine": [], "seconds": 0.0} for name in fitter.table}
    for fold, (fit, held) in enumerate(sets.folds(len(rows[a]))):
        pairs = {label: x[fit] for label, x in rows.items()}
        own, new = rows[a][held], rows[b][held]
        native = measures.similarity(new, new)
        np.fill_diagonal(native, -np.inf)
        for name in fitter.table:
            doc, seconds = fitter(f"{set_name} {fold}", name, pairs, a, b, "document")
            ask, _ = fitter(f"{set_name} {fold}", name, pairs, a, b, "query")
            if not doc or not ask:
                continue
            moved = doc(own)
            sim = measures.similarity(new, moved)
            got = out[name]
            got["itself"].append(measures.recall(sim, [[i] for i in range(len(held))], 1))
            got["cosine"].append((measures.unit(moved) * new).sum(axis=1))
            np.fill_diagonal(sim, -np.inf)
            got["document"].append(measures.overlap(native, sim))
            back = measures.similarity(ask(own), new)
            np.fill_diagonal(back, -np.inf)
            got["query"].append(measures.overlap(native, back))
            got["seconds"] = max(got["seconds"], seconds)
    return {n: {k: v if k == "seconds" else np.concatenate(v) for k, v in g.items()} for n, g in out.items() if g["itself"]}


def share(value, native):
    low, high = measures.interval(value, native)
    return f"{value.mean() / native.mean():.3f} [{low:.3f}, {high:.3f}]"


def peers_of(results, side):
    return {n: g[side] for n, g in results.items() if side in g and not n.startswith(("control:", "vecna"))}


def against(results, native, side):
    """vecna minus the best other row, chosen with hindsight, and minus the better of two textbook maps."""
    if side not in results.get("vecna", {}):
        return []
    ours, lines = results["vecna"][side], []
    others = peers_of(results, side)
    textbook = {n: v for n, v in others.items() if n in ("numpy:procrustes", "numpy:ridge, validated")}
    for label, group in (("best other row", others), ("better of Procrustes and ridge", textbook)):
        if not group:
            continue
        best = max(group, key=lambda n: group[n].mean())
        low, high = measures.interval(ours, native, base=group[best])
        gap = (ours.mean() - group[best].mean()) / native.mean()
        lines.append(f"{side}: vecna - {label} ({best}) = {gap:+.3f} [{low:+.3f}, {high:+.3f}]")
    return lines


def print_judged(judged, a, b, cell):
    native, old = cell["native"], cell["old"]
    print(f"\n### {judged.name}: {a} -> {b}\n")
    print(f"Native nDCG@10 {native.mean():.3f} over {len(native)} queries and {len(judged.corpus[a])} documents; ", end="")
    print(f"keep the old model: {share(old, native)}.\n")
    print("| method | documents translated | queries translated | fit s |")
    print("|---|---|---|---|")
    for name, got in cell["methods"].items():
        cells = [share(got[side], native) if side in got else "refused" for side in ("document", "query")]
        print(f"| {name} | {cells[0]} | {cells[1]} | {got['seconds']:.2f} |")
    print()
    for side in ("document", "query"):
        for line in against(cell["methods"], native, side):
            print(f"- {line}")


def print_folded(set_name, rows, a, b, results):
    print(f"\n### {set_name}, {len(rows[a])} rows in folds: {a} -> {b}\n")
    print("| method | cosine | finds itself first | overlap@10, documents | overlap@10, queries | fit s |")
    print("|---|---|---|---|---|---|")
    one = np.ones(len(rows[a]))
    for name, got in results.items():
        cells = " | ".join(share(got[side], one) for side in ("itself", "document", "query"))
        print(f"| {name} | {got['cosine'].mean():.3f} | {cells} | {got['seconds']:.2f} |")
    print()
    for side in ("document", "query"):
        for line in against(results, one, side):
            print(f"- {line}")


def judged_sets(args):
    yield sets.from_examples(args.examples, "glosses", "glosses")
    yield sets.from_examples(args.examples, "glosses", "passages")
    if args.data:
        for name in ("glosses", "verses"):
            for count in args.pairs:
                yield sets.from_data(args.data, name, count)
        yield sets.from_data(args.data, "glosses", 6500, leave=True)
        for name in ("glosses", "glosses-other", "verses", "xquad") if args.more else ():
            yield sets.from_more(args.data, args.more, name)


def folded_sets(args):
    yield "docs", sets.docs(args.examples)
    if args.data:
        yield from sets.unjudged(args.data)


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [round(float(v), 6) for v in value] if isinstance(value, np.ndarray) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=pathlib.Path, default=HERE.parents[1] / "examples")
    parser.add_argument("--data", help="directory with models/: adds glosses and verses in full")
    parser.add_argument("--more", help="what make_pairs.py made: adds its pairs against glosses and other sets")
    parser.add_argument("--pairs", default="1000,2000", type=lambda t: [int(n) for n in t.split(",")])
    parser.add_argument("--only", default="", help="methods whose name contains one of these, by comma")
    parser.add_argument("--vecna", help="the binary; without it the table is of the others alone")
    parser.add_argument("--sets", default="", help="sets whose name contains one of these, by comma")
    parser.add_argument("--json", help="write all per-query figures here")
    args = parser.parse_args()
    table = methods.table(args.vecna)
    wanted = args.only.split(",")
    table = {n: f for n, f in table.items() if any(w in n for w in wanted)}
    kept = {}

    def keep(key, figures):
        kept[key] = plain(figures)
        sys.stdout.flush()
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(kept))

    with tempfile.TemporaryDirectory() as work:
        chosen = lambda name: any(w in name for w in args.sets.split(","))
        fitter = Fitter(table, work)
        for judged in judged_sets(args):
            if not chosen(judged.name):
                continue
            for a, b in ((384, 768), (768, 384)):
                note(f"{judged.name}: {a} -> {b}")
                cell = judged_cell(judged, a, b, fitter)
                print_judged(judged, a, b, cell)
                keep(f"{judged.name}: {a}->{b}", cell)
        for name, rows in folded_sets(args):
            if not chosen(name):
                continue
            fitter, (one, other) = Fitter(table, work), rows
            for a, b in ((one, other), (other, one)):
                note(f"{name}: {a} -> {b}")
                results = folded_cell(name, rows, a, b, fitter)
                print_folded(name, rows, a, b, results)
                keep(f"{name}: {a}->{b}", results)


if __name__ == "__main__":
    main()
