"""How often the lower bound of a confidence holds, over many splits of real sets: the table of docs/confidence.md.

    coverage.py --data DIR [--vecna build/vecna] [--pairs 300,500,1000,2000] [--splits 4] [--sets TEXT]

A split is N pairs to fit on and 800 other rows of the same set; the command fits and translates, NumPy counts.
"""

import argparse
import pathlib
import tempfile

import numpy as np

import sets
from measures import unit
from trust import Vecna, spearman

MINILM, MPNET, USE = "all-MiniLM-L6-v2.384", "all-mpnet-base-v2.768", "use-lite.512"
SETS = (
    ("glosses-corpus", MINILM, MPNET),
    ("glosses-corpus", MPNET, MINILM),
    ("verses-corpus", MINILM, MPNET),
    ("verses-corpus", MPNET, MINILM),
    ("banking77-train", MINILM, MPNET),
    ("stsb-dev-sentences", USE, MPNET),
    ("stsb-dev-sentences", MINILM, USE),
)
HELD = 800


def side(data, name, model):
    return sets.rows(pathlib.Path(data) / ("vectors" if model == USE else "models") / f"{name}.{model}.npy")


def one_split(vecna, source, target, count, seed):
    order = np.random.default_rng(5000 + seed).permutation(len(source))
    fitted, held = order[:count], order[count : count + HELD]
    path, _ = vecna.fit(source[fitted], target[fitted])
    moved, told = vecna.translate(source[held], path)
    true = np.sum(unit(moved) * target[held], 1)
    expected, least = told["confidence_cosine"], told["confidence_least"]
    return expected.mean(), true.mean(), (true >= least).mean(), spearman(expected, true)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--vecna", default="build/vecna")
    parser.add_argument("--pairs", default="300,500,1000,2000")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--sets", default="")
    options = parser.parse_args()
    print("| set | pairs | cosine expected / true | covered ± its standard error | rank correlation |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        vecna = Vecna(pathlib.Path(options.vecna).resolve(), work)
        for name, old, new in SETS:
            source, target = side(options.data, name, old), side(options.data, name, new)
            for count in map(int, options.pairs.split(",")):
                if options.sets not in name or count + HELD // 2 > len(source):
                    continue
                got = np.array([one_split(vecna, source, target, count, seed) for seed in range(options.splits)])
                told, true, covered, rank = got.mean(0)
                error = got[:, 2].std() / np.sqrt(options.splits)
                print(f"| {name} {old} → {new} | {count} | {told:.3f} / {true:.3f} | {covered:.3f} ± {error:.3f} | {rank:.2f} |", flush=True)


if __name__ == "__main__":
    main()
