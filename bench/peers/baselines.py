"""Do baselines win? One-hot, tf-idf and LSA beside the mean of word2vec rows and the built-in model, on five tasks
with vecna's own judges. Prints the table of docs/training.md, and LSA's pace beside scikit-learn's.

    python bench/peers/baselines.py DATA [WORK]       DATA: the folder of real data; WORK: where vectors go (a new folder)
"""

import csv
import json
import lzma
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile

import numpy

VECNA = os.environ.get("VECNA", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "vecna"))
COUNTED = {"onehot": ["onehot"], "tfidf": ["tfidf"], "tfidf sublinear": ["tfidf", "--sublinear"],
           "lsa 100": ["lsa", "--dim", "100"], "lsa 200": ["lsa", "--dim", "200"]}


def vecna(*arguments):
    done = subprocess.run([VECNA, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr)
    return json.loads(done.stdout) if "--json" in arguments else None


def write(path, lines):
    path.write_text("".join(" ".join(line.split()) + "\n" for line in lines))
    return path


class Mean:
    """Texts as the mean of the word2vec rows of their words."""

    def __init__(self, data, work):
        path = work / "words.npy"
        if not path.exists():
            vecna("train", "word2vec", data / "text" / "classics-100mb.txt.xz", "-o", path)
        self.rows = numpy.load(path)
        self.row_of = {word: i for i, word in enumerate((work / "words.vocab.txt").read_text().splitlines())}

    def __call__(self, texts, out):
        known = [[self.row_of[w] for w in re.findall(r"[^\W_]+", line.lower()) if w in self.row_of]
                 for line in texts.read_text().splitlines()]
        numpy.save(out, numpy.array([self.rows[k].mean(0) if k else numpy.zeros(self.rows.shape[1]) for k in known], "f4"))


def embed(name, mean, counted, texts, out):
    """Texts by a system: counted on the texts `counted`, or as it is."""
    if name == "word2vec mean":
        mean(texts, out)
    elif name == "built-in":
        vecna("embed", texts, "-o", out, "--fresh")
    else:
        model = out.with_suffix(".model")
        method, *options = COUNTED[name]
        vecna("train", method, counted, "-o", out, "--keep", model, *options)
        vecna("embed", texts, "-o", out, "--model", model, "--fresh")


def show(figure):
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def pace(data, work, rounds=5):
    """CPU seconds of tf-idf and LSA, 100 dimensions and ten turns, from a file of texts to a file of vectors."""
    with open(data / "eval" / "banking77-train.csv", newline="") as file:
        texts = write(work / "pace.txt", [row[0] for row in csv.reader(file)][1:])
    peer = ("import sys, numpy; from sklearn.feature_extraction.text import TfidfVectorizer; "
            "from sklearn.decomposition import TruncatedSVD; "
            "x = TfidfVectorizer(token_pattern=r'(?u)[^\\W_]+').fit_transform(open(sys.argv[1])); "
            "numpy.save(sys.argv[2], TruncatedSVD(100, n_iter=10, random_state=1).fit_transform(x))")
    commands = {"vecna": [VECNA, "train", "lsa", texts, "-o", work / "pace.npy"],
                "scikit-learn": [sys.executable, "-c", peer, texts, work / "pace.npy"],
                "scikit-learn, imports alone": [sys.executable, "-c", peer.split("x = ")[0]]}
    seconds = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for name, times in seconds.items():
        print(f"LSA of 10,003 questions by {name}: {statistics.median(times):.2f} CPU s")


def main():
    data = pathlib.Path(sys.argv[1])
    work = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    work.mkdir(exist_ok=True)
    mean = Mean(data, work)
    sides = {}
    for side in ("train", "test"):
        rows = [json.loads(line) for line in open(data / "models" / f"banking77-{side}.jsonl")]
        sides["bank", side] = (write(work / f"bank-{side}.txt", [r["text"] for r in rows]),
                               write(work / f"bank-{side}.labels", [r["label"] for r in rows]))
    with lzma.open(data / "text" / "movie-reviews.jsonl.xz", "rt") as file:
        reviews = [json.loads(line) for line in file]
    random.Random(1).shuffle(reviews)
    for side, part in (("train", reviews[:1200]), ("test", reviews[1200:])):
        sides["reviews", side] = (write(work / f"reviews-{side}.txt", [r["text"] for r in part]),
                                  write(work / f"reviews-{side}.labels", [r["label"] for r in part]))
    columns = ("sentence1", "sentence2")
    with open(data / "eval" / "stsb-train.tsv") as file:
        sts = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sentences = write(work / "sts-train.txt", [r[c] for r in sts for c in columns])
    paragraphs, questions = (data / "models" / f"xquad-{side}.jsonl" for side in ("corpus", "queries"))
    xquad = write(work / "xquad.txt", [json.loads(line)["text"] for line in open(paragraphs)])
    asked = write(work / "xquad-questions.txt", [json.loads(line)["text"] for line in open(questions)])

    print("| | banking77, accuracy | banking77, V-measure | reviews, accuracy | STS-B dev, Spearman | XQuAD, nDCG@10 |")
    print("|---|---|---|---|---|---|")
    for name in [*COUNTED, "word2vec mean", "built-in"]:
        cells = []
        a, b = work / "a.npy", work / "b.npy"
        for task in ("bank", "reviews"):
            train, test = sides[task, "train"], sides[task, "test"]
            embed(name, mean, train[0], train[0], a)
            embed(name, mean, train[0], test[0], b)
            cells.append(show(vecna("eval", "classify", a, b, "--labels", train[1], "--test-labels", test[1],
                                    "--json")["accuracy"]))
            if task == "bank":
                cells.append(show(vecna("eval", "cluster", b, "--labels", test[1], "--json", "--restarts", 3,
                                        "--resamples", 100)["v_measure"]))
        pairs = data / "eval" / "stsb-dev.tsv"
        if name == "word2vec mean":
            told = vecna("eval", "similarity", work / "words.npy", pairs, "--json")["mean"]
        elif name == "built-in":
            told = vecna("eval", "similarity", "--model", "builtin", pairs, "--json")["cosine"]
        else:
            embed(name, mean, sentences, sentences, a)
            told = vecna("eval", "similarity", "--model", a.with_suffix(".model"), pairs, "--json")["cosine"]
        cells.append(show(told["spearman"]))
        embed(name, mean, xquad, xquad, a)
        embed(name, mean, xquad, asked, b)
        told = vecna("eval", a, b, "--corpus-texts", paragraphs, "--query-texts", questions, "--json")
        cells.append(show(told["truths"][0]["measures"]["ndcg"]["translated"]))
        print("|", " | ".join([name, *cells]), "|", flush=True)
    pace(data, work)


if __name__ == "__main__":
    main()
