"""What `vecna train layer` keeps on held-out samples of real data, beside the bare baselines.
Prints the table of docs/training.md.

    python bench/peers/layer.py DATA [WORK]     DATA: the folder of real data; WORK: where files go (a new folder)
"""

import collections
import csv
import json
import lzma
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

VECNA = os.environ.get("VECNA", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "vecna"))


def questions(data, work):
    with open(data / "eval" / "banking77-train.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return texts(work, "bank", [(row[0], row[1]) for row in rows])


def reviews(data, work):
    with lzma.open(data / "text" / "movie-reviews.jsonl.xz", "rt") as file:
        return texts(work, "reviews", [(row["text"], row["label"]) for row in map(json.loads, file)])


def texts(work, name, rows):
    (work / f"{name}.txt").write_text("".join(" ".join(text.split()) + "\n" for text, _ in rows))
    (work / f"{name}.labels").write_text("".join(label + "\n" for _, label in rows))
    return work / f"{name}.txt", "--classify", work / f"{name}.labels"


def friendships(data, work):
    """Each once, in a direction of chance."""
    rng, edges = random.Random(1), set()
    with lzma.open(data / "graphs" / "blogcatalog_adjlist.txt.xz", "rt") as file:
        for line in file:
            node, *others = line.split()
            edges |= {tuple(sorted((node, other))) for other in others}
    lines = [f"{a}\t{b}\n" if rng.random() < 0.5 else f"{b}\t{a}\n" for a, b in sorted(edges)]
    (work / "friends.tsv").write_text("".join(lines))
    return work / "friends.tsv", "--recommend", "logistic"


def neighbours(data, work, words=3_000_000, different=2000, pairs=200_000):
    """How often one of the most frequent words stands up to five words behind another, two times at least."""
    found = []
    with lzma.open(data / "text" / "classics-100mb.txt.xz", "rt") as file:
        for line in file:
            found += [*re.findall("[a-z]+", line.lower()), ""]
            if len(found) > words:
                break
    top = {word for word, _ in collections.Counter(word for word in found if word).most_common(different)}
    counts = collections.Counter()
    for at, word in enumerate(found):
        if word in top:
            counts.update((word, other) for other in found[at + 1:at + 6] if other in top)
    often = [(a, b, count) for (a, b), count in counts.items() if count >= 2]
    random.Random(1).shuffle(often)
    (work / "words.tsv").write_text("".join(f"{a}\t{b}\t{math.log(count):.5f}\n" for a, b, count in often[:pairs]))
    return work / "words.tsv", "--recommend", "squared"


SETS = [("banking77, 10,003 questions, 77 labels", questions, "--hold-out 0.2"),
        ("1,600 movie reviews, 2 labels", reviews, "--hold-out 0.25"),
        ("BlogCatalog, 333,983 friendships, each one way", friendships, "--dim 16 --epochs 10 --l2 0.03"),
        ("words and the words behind them in old books", neighbours, "--dim 32 --epochs 10 --l2 0.03 --lr 0.05")]


def main():
    data = pathlib.Path(sys.argv[1])
    work = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    work.mkdir(exist_ok=True)
    print("| data | options | held out | layer | beside | CPU s |\n|---|---|---|---|---|---|")
    for name, make, options in SETS:
        done = subprocess.run([VECNA, "train", "layer", *make(data, work), "-o", work / "v.npy", *options.split(), "--json"],
                              capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        figures = [told[told["figure"]], told["baseline"]]
        shown = ["{value:.3f} [{low:.3f}, {high:.3f}]".format(**figure) for figure in figures]
        print(f"| {name} | `{options}` | {told['held_out']:,} | {told['figure']} {shown[0]} | {shown[1]} | {told['cpu_seconds']:.1f} |",
              flush=True)


if __name__ == "__main__":
    main()
