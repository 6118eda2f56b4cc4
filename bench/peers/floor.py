#!/usr/bin/env python3
"""Does `vecna fit --method auto` fall under the better of Procrustes and ridge? Every set that two models share.

    floor.py --vecna build/vecna --data DIR [--role document|query]

DIR holds NAME.MODEL.DIM.npy, row i of each NAME the same text. Each pair of models is fitted in both
directions by three methods, through the command; the figure is the command's own: retention of nDCG on
rows that the reported map did not see, against the target model's neighbours of held-out rows (no
judgement of people: what that means for queries is in docs/translators.md).
"""

import argparse
import collections
import itertools
import json
import pathlib
import subprocess
import tempfile


def sets(folder):
    """(name, source file, target file) of all ordered pairs of models; queries are no corpus."""
    found = collections.defaultdict(list)
    for path in sorted(folder.glob("*.npy")):
        found[path.name.split(".")[0]].append(path)
    for name, paths in found.items():
        if not name.endswith("queries"):
            for source, target in itertools.permutations(paths, 2):
                yield name, source, target


def retention(binary, source, target, role, method, work):
    command = [binary, "fit", source, target, "-o", work / "map", "--role", role, "--method", method, "--json", "--no-confidence"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)["report"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vecna", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--role", default="document", choices=("document", "query"))
    args = parser.parse_args()
    print("| set | rows | dims | auto | better of the two | difference | half width |\n|---|---|---|---|---|---|---|")
    below = cells = 0
    with tempfile.TemporaryDirectory() as work:
        for name, source, target in sets(args.data):
            got = {m: retention(args.vecna, source, target, args.role, m, pathlib.Path(work)) for m in ("auto", "procrustes", "ridge")}
            auto, low, high = got["auto"]["truth"]["retention"]
            best = max(got[m]["truth"]["retention"][0] for m in ("procrustes", "ridge"))
            half = (high - low) / 2
            cells += 1
            below += auto < best - half
            dims = " to ".join(path.name.split(".")[-2] for path in (source, target))
            mark = "**" if auto < best - half else ""
            print(f"| {name} | {got['auto']['rows']} | {dims} | {auto:.3f} | {best:.3f} | {mark}{auto - best:+.3f}{mark} | {half:.3f} |", flush=True)
    print(f"\n{below} of {cells} cells below the better of Procrustes and ridge by more than half of auto's interval")


if __name__ == "__main__":
    main()
