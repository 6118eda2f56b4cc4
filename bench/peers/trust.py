"""What confidence, planning, calibrated merging, hubness and the two stages are worth, on judged real sets.

Clean: fitted rows are not in the corpus, judged rows are not fitted. Everything is done by the command; NumPy only
counts. Prints the tables of docs/confidence.md and docs/scores.md, and with --json FILE what scripts/plot_trust.py
draws.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import sets
from measures import ndcg, unit

CUT = 10


class Vecna:
    def __init__(self, binary, work):
        self.binary, self.work = str(binary), pathlib.Path(work)

    def save(self, name, rows):
        path = self.work / name
        np.save(path, np.asarray(rows, np.float32))
        return path

    def __call__(self, *words):
        done = subprocess.run([self.binary, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr)
        return done.stdout

    def fit(self, source, target, name="map", *more):
        path = self.work / name
        out = self("fit", self.save("s.npy", source), self.save("t.npy", target), "-o", path, "--json", "--resamples", 100,
                   *more)
        return path, json.loads(out)

    def translate(self, rows, path):
        out = self.work / "out.npy"
        self("translate", self.save("in.npy", rows), out, "--map", path, "--force", "--confidence")
        lines = [json.loads(line) for line in open(f"{out}.confidence.jsonl", encoding="utf-8")]
        told = {key: np.array([float(line[key]) for line in lines]) for key in
                ("confidence", "confidence_cosine", "confidence_least", "confidence_outside")}
        return np.load(out).astype(np.float64), told

    def search(self, *words):
        """nDCG@10 needs ten rows: hits of each query as (file, row)."""
        got = json.loads(self("search", *words, "-k", CUT, "--json"))
        return [[(hit.get("file"), hit["row"]) for hit in one["hits"]] for one in got["queries"]]


def spearman(a, b):
    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


def gains(found, relevant):
    out = []
    for hits, wanted in zip(found, relevant):
        got = sum(1 / np.log2(2 + at) for at, hit in enumerate(hits) if hit in wanted)
        out.append(got / sum(1 / np.log2(2 + np.arange(min(len(wanted), CUT)))))
    return float(np.mean(out))


def overlap(native, translated):
    """Share of each row's ten native neighbours that its translation finds among the native rows."""
    shares = []
    for a, b in ((native @ native.T, translated @ native.T),):
        np.fill_diagonal(a, -9)
        np.fill_diagonal(b, -9)
        first, second = np.argpartition(-a, CUT, 1)[:, :CUT], np.argpartition(-b, CUT, 1)[:, :CUT]
        shares = [len(set(x) & set(y)) / CUT for x, y in zip(first, second)]
    return np.array(shares)


def deciles(told, true):
    order = np.array_split(np.argsort(told), 10)
    return [[float(told[part].mean()), float(true[part].mean())] for part in order]


def coverage(vecna, data, rows):
    print("\n### The bound and the expectation\n")
    print("| fitted on | pairs | judged on | cosine expected / true | rank correlation | not below the bound | called outside |")
    print("|---|---|---|---|---|---|---|")
    for name, other, old, new, count, seeds in rows:
        sums = {}
        for seed in range(seeds):
            own = sets.from_data(data, name, count + 600, seed)
            path, _ = vecna.fit(own.pairs[old][:count], own.pairs[new][:count], "cover.map")
            far = sets.from_data(data, other, 600, seed)
            for where, source, target in ((name, own.pairs[old][count:], own.pairs[new][count:]),
                                          (other, far.pairs[old], far.pairs[new])):
                moved, told = vecna.translate(source, path)
                true = np.sum(unit(moved) * unit(target), 1)
                sums.setdefault(where, []).append([told["confidence_cosine"].mean(), true.mean(),
                                                   spearman(told["confidence_cosine"], true),
                                                   (true >= told["confidence_least"]).mean(),
                                                   told["confidence_outside"].mean()])
        for where, values in sums.items():
            told, true, rank, covered, outside = np.mean(values, 0)
            print(f"| {name} {old}→{new} | {count} | {where if where != name else 'other rows'} | {told:.3f} / {true:.3f} "
                  f"| {rank:.2f} | {covered:.3f} | {100 * outside:.1f} % |", flush=True)


def cell(vecna, judged, old, new, out):
    """Everything for one judged set and direction, with all its fit rows."""
    path, report = vecna.fit(judged.pairs[old], judged.pairs[new])
    native, queries = unit(judged.corpus[new]), unit(judged.queries[new])
    moved, told = vecna.translate(judged.corpus[old], path)
    true = np.sum(unit(moved) * native, 1)
    base = ndcg(queries @ native.T, judged.relevant).mean()
    keep = ndcg(unit(judged.queries[old]) @ unit(judged.corpus[old]).T, judged.relevant).mean() / base
    all_moved = ndcg(queries @ unit(moved).T, judged.relevant).mean() / base
    label = f"{judged.name.split(',')[0]} {old}→{new}"
    out["reliability"][label] = {"cosine": deciles(told["confidence_cosine"], true),
                                 "recall": deciles(told["confidence"], overlap(native, unit(moved)))}
    held = report["held"]
    ask = vecna.save("q.npy", queries)
    rng = np.random.default_rng(0)

    def mixed(chosen, calibrated):
        """nDCG with the chosen rows native, the others translated."""
        left = np.setdiff1d(np.arange(len(native)), chosen)
        a, b = vecna.save("native.npy", native[chosen]), vecna.save("moved.npy", moved[left])
        found = vecna.search(a, ask, "--also", b, *(("--calibrated", path, "--force") if calibrated else ()))
        place = {(str(a), i): row for i, row in enumerate(chosen)} | {(str(b), i): row for i, row in enumerate(left)}
        return gains([[place[hit] for hit in hits] for hits in found], judged.relevant) / base

    plans, merges = [], []
    for share in (0.1, 0.3, 0.5):
        count = int(share * len(native))
        words = ("plan", vecna.save("old.npy", judged.corpus[old]), "--map", path, "--budget", count, "--json", "--force")
        plan = json.loads(vecna(*words))
        step = next(one for one in plan["budgets"] if one["rows"] == count)
        chosen = np.array([one["row"] for one in plan["chosen"]])
        random = [rng.permutation(len(native))[:count] for _ in range(3)]
        plans.append((share, mixed(chosen, False), np.mean([mixed(one, False) for one in random]),
                      all_moved + (1 - all_moved) * step["deficit_closed"]))
        if share == 0.3:
            merges = [mixed(random[0], False), mixed(random[0], True)]
    # the fitted pairs' true vectors, which no query wants, beside translated rows
    pairs = unit(judged.pairs[new])
    beside = ndcg(np.hstack([queries @ native.T, queries @ pairs.T]), judged.relevant).mean()
    a, b = vecna.save("native.npy", pairs), vecna.save("moved.npy", moved)
    for more in ((), ("--calibrated", path, "--force")):
        found = vecna.search(a, ask, "--also", b, *more)
        merges.append(gains([[hit[1] if hit[0] == str(b) else -1 for hit in hits] for hits in found], judged.relevant) / beside)
    pairs_moved, _ = vecna.translate(judged.pairs[old], path)
    merges.append(ndcg(np.hstack([queries @ unit(moved).T, queries @ unit(pairs_moved).T]), judged.relevant).mean() / beside)
    # hubness: every second query is the sample, the others ask
    sample, asking = vecna.save("sample.npy", queries[0::2]), vecna.save("ask.npy", queries[1::2])
    wanted = judged.relevant[1::2]
    moved_path, native_path = vecna.save("moved.npy", moved), vecna.save("native.npy", native)
    hub = []
    for path_of in (moved_path, native_path):
        for more in ((), ("--hubness", sample), ("--hubness", vecna.save("p.npy", pairs[:1000]), "--hubness-weight", 0.25)):
            found = vecna.search(path_of, asking, *more)
            hub.append(gains([[hit[1] for hit in hits] for hits in found], wanted))
    hub = [value / hub[3] for value in hub]
    old_path = vecna.save("old.npy", judged.corpus[old])
    via = [gains([[hit[1] for hit in hits] for hits in
                  vecna.search(old_path, ask, "--via", path, "--candidates", n, "--force")], judged.relevant) / base
           for n in (10, 20, 50, 200)]
    return label, dict(keep=keep, moved=all_moved, plans=plans, merges=merges, hub=hub, via=via, held=held)


def table(title, head, rows):
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print("| " + " | ".join(value if isinstance(value, str) else f"{value:.3f}" for value in row) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vecna", default="build/vecna")
    parser.add_argument("--data", required=True, help="folder with models/")
    parser.add_argument("--json", help="figures for scripts/plot_trust.py")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--skip-coverage", action="store_true")
    options = parser.parse_args()
    out = {"reliability": {}}
    with tempfile.TemporaryDirectory() as work:
        vecna = Vecna(pathlib.Path(options.vecna).resolve(), work)
        cells = []
        for name, old, new in (("glosses", 384, 768), ("glosses", 768, 384), ("verses", 384, 768), ("verses", 768, 384)):
            cells.append(cell(vecna, sets.from_data(options.data, name, 100000), old, new, out))
        table("Two stages", ["set", "translated whole", "10 candidates", "20", "50", "200"],
              [[label, one["moved"], *one["via"]] for label, one in cells])
        table("Planning", ["set", "share", "planned", "by chance", "expected by the plan"],
              [[label if i == 0 else "", f"{100 * plan[0]:.0f} %", *plan[1:]]
               for label, one in cells for i, plan in enumerate(one["plans"])])
        table("Merging", ["set", "all translated", "30 % native, raw", "calibrated", "pairs native: raw", "calibrated",
                          "all translated"],
              [[label, one["moved"], *one["merges"]] for label, one in cells])
        table("Score distributions", ["set", "Kolmogorov-Smirnov, raw", "calibrated"],
              [[label, one["held"]["ks_before"], one["held"]["ks_after"]] for label, one in cells])
        table("Hubness", ["set", "translated", "query sample, 0.5", "documents, 0.25", "native", "query sample, 0.5",
                          "documents, 0.25"], [[label, *one["hub"]] for label, one in cells])
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(out), encoding="utf-8")
        if not options.skip_coverage:
            coverage(vecna, options.data, [(name, other, old, new, count, options.seeds)
                                           for name, other in (("glosses", "verses"), ("verses", "glosses"))
                                           for old, new in ((384, 768), (768, 384)) for count in (500, 2000)])


if __name__ == "__main__":
    main()
