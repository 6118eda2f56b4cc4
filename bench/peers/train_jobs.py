"""What train.py measures: each work with its programs, the commands that they run and what their results are worth.

A program is (command, judge, needs): command(seed) the process to run, judge(what it printed) figures by name, needs a file
without which the program is not here. Figures are in per cent where more is better, unless their name says otherwise."""

import json
import lzma
import os
import pathlib
import random
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECNA = os.environ.get("VECNA", str(ROOT / "build" / "vecna"))
PAIRS = {"WS-353": "EN-WS-353-ALL.txt", "SimLex": "EN-SIMLEX-999.txt", "MEN": "EN-MEN-TR-3k.txt", "RW": "EN-RW-STANFORD.txt"}
WORD = re.compile(r"[a-z]+|[0-9]+")


def opened(path):
    return lzma.open(path, "rt", encoding="utf-8") if str(path).endswith(".xz") else open(path, encoding="utf-8")


def take_words(path, count, out):
    taken = 0
    with opened(path) as lines, open(out, "w", encoding="utf-8") as to:
        for line in lines:
            words = WORD.findall(line.lower())
            if words and taken < count:
                to.write(" ".join(words) + "\n")
                taken += len(words)
    return taken


def take_reviews(path, out, labels):
    """Shuffled once, since gensim trains documents in the order of its file."""
    with opened(path) as lines:
        reviews = [json.loads(line) for line in lines]
    random.Random(1).shuffle(reviews)
    texts = [" ".join(WORD.findall(one["text"].lower())) for one in reviews]
    out.write_text("\n".join(texts) + "\n")
    labels.write_text("".join(one["label"] + "\n" for one in reviews))
    return sum(len(text.split()) for text in texts)


def block_graph(path, nodes, communities, edges, seed=1):
    rng, seen, size = random.Random(seed), set(), nodes // communities
    while len(seen) < edges:
        a = rng.randrange(nodes)
        b = a // size * size + rng.randrange(size) if rng.random() < 0.5 else rng.randrange(nodes)
        if a != b:
            seen.add((min(a, b), max(a, b)))
    path.write_text("".join(f"{a}\t{b}\n" for a, b in sorted(seen)))
    return size


def ask(*command):
    return json.loads(subprocess.run([VECNA, *map(str, command), "--json"], capture_output=True, check=True).stdout)


class Jobs:
    def __init__(self, peers, data, text, work, options):
        self.peers, self.data, self.text, self.work, self.options = peers, data, text, work, options
        self.python = peers / "venv" / "bin" / "python"
        self.words = 0

    # -- what a result is worth ------------------------------------------------------------------

    def of_words(self, vectors, trained=None):
        def judge(printed):
            figures = {}
            if trained is not None:  # all epochs really run
                said = json.loads(printed)
                assert said["words_trained"] == trained * said["words_of_an_epoch"], said
            if self.data is None:
                return figures
            questions = self.data / "eval" / "questions-words.txt"
            if questions.exists():
                figures["analogies"] = 100 * ask("eval", "analogy", vectors, questions, "--restrict-vocab", 30000)["accuracy"]["value"]
            for name, file in PAIRS.items():
                for pairs in (self.data / "eval" / file, self.peers / "eval-word-vectors" / "data" / "word-sim" / file):
                    if pairs.exists():
                        got = ask("eval", "similarity", vectors, pairs)
                        figures[name] = 100 * got["cosine"]["spearman"]["value"]
                        break
            return figures
        return judge

    def of_documents(self, vectors, labels):
        """The first three quarters teach a logistic regression, the rest asks it."""
        def judge(printed):
            if labels is None:
                return {}
            rows, names = np_load(vectors), labels.read_text().split("\n")[:-1]
            cut = len(names) * 3 // 4
            parts = {"train": slice(0, cut), "test": slice(cut, None)}
            for part, of in parts.items():
                np_save(self.work / f"{part}.npy", rows[of])
                (self.work / f"{part}.labels").write_text("".join(name + "\n" for name in names[of]))
            got = ask("eval", "classify", self.work / "train.npy", self.work / "test.npy", "--labels", self.work / "train.labels",
                      "--test-labels", self.work / "test.labels")
            return {"reviews told right": 100 * got["accuracy"]["value"]}
        return judge

    def of_nodes(self, vectors, size):
        def judge(printed):
            with open(vectors, encoding="utf-8") as lines:
                rows = [line.split(" ", 1)[0] for line in lines][1:]
            (self.work / "nodes.labels").write_text("".join(f"{int(node) // size}\n" for node in rows))
            got = ask("eval", "cluster", vectors, "--labels", self.work / "nodes.labels", "--restarts", 3, "--resamples", 1)
            return {"communities, NMI": 100 * value(got["nmi"])}
        return judge

    # -- the works -------------------------------------------------------------------------------

    def vecna(self, method, source, out, *more, tokens=True):
        plain = ["--threads", 1, "--checkpoint", 0, "--json"] + (["--tokens", "space"] if tokens else [])
        return lambda seed: [VECNA, "train", method, source, "-o", out, "--seed", seed, *plain, *more]

    def word2vec_c(self, program, out, rate, *more):
        return lambda seed: [self.peers / program, "-train", self.text, "-output", out, "-size", 100, "-window", 5, "-negative", 5, "-sample", "1e-3",
                             "-threads", 1, "-min-count", 5, "-alpha", rate, "-iter", self.options.epochs, *more]

    def koan(self, out, cbow, rate):  # its own advice: 0.05, and 0.075 for CBOW; its threads' draws are fixed
        return lambda seed: [self.peers / "koan.bin", "-f", self.text, "-d", 100, "-c", 5, "-n", 5, "-k", 5, "-o", "1e-3", "-t", 1, "-e",
                             self.options.epochs, "-b", "true" if cbow else "false", "-l", rate, "-p", out]

    def gensim(self, kind, text, out, epochs, *rate):
        return lambda seed: [self.python, ROOT / "bench" / "peers" / "train_python.py", kind, text, out, epochs, seed, *rate]

    def skipgram(self):
        work, epochs = self.work, self.options.epochs
        made = {name: work / f"{name}-sg.bin" for name in ("vecna", "word2vec", "pword2vec", "gensim")}
        return f"skip-gram, {told_epochs(epochs)}", {
            "vecna": (self.vecna("word2vec", self.text, made["vecna"], "--epochs", epochs), self.of_words(made["vecna"], epochs), None),
            "word2vec.c -Ofast": (self.word2vec_c("word2vec.bin", made["word2vec"], 0.05, "-cbow", 0, "-hs", 0, "-binary", 1),
                                  self.of_words(made["word2vec"]), self.peers / "word2vec.bin"),
            "pWord2Vec, OpenBLAS": (self.word2vec_c("pword2vec.bin", made["pword2vec"], 0.05, "-binary", 1), self.of_words(made["pword2vec"]),
                                    self.peers / "pword2vec.bin"),
            "koan": (self.koan(work / "koan-sg.txt", False, 0.05), self.of_words(work / "koan-sg.txt"), self.peers / "koan.bin"),
            "gensim": (self.gensim("skipgram", self.text, made["gensim"], epochs, 0.05), self.of_words(made["gensim"]), self.python),
        }

    def cbow(self):
        """vecna at its own rates; the others at word2vec.c's, 0.05, and at vecna's, 0.075 (koan at its advice and at vecna's)."""
        work, epochs = self.work, self.options.epochs
        def vecna(out, *more):
            return self.vecna("word2vec", self.text, out, "--epochs", epochs, "--arch", "cbow", *more), self.of_words(out, epochs), None
        programs = {"vecna": vecna(work / "vecna-cbow.bin"),
                    "vecna, rate 0.05": vecna(work / "slower-cbow.bin", "--lr", 0.05),
                    "vecna, true gradient": vecna(work / "mean-cbow.bin", "--gradient", "mean"),
                    "vecna, true gradient, rate 0.075": vecna(work / "slower-mean-cbow.bin", "--gradient", "mean", "--lr", 0.075)}
        for rate in (0.05, 0.075):
            out = work / f"word2vec-{rate}-cbow.bin"
            programs[f"word2vec.c -Ofast, rate {rate}"] = (self.word2vec_c("word2vec.bin", out, rate, "-cbow", 1, "-hs", 0, "-binary", 1),
                                                           self.of_words(out), self.peers / "word2vec.bin")
            out = work / f"gensim-{rate}-cbow.bin"
            programs[f"gensim, rate {rate}"] = (self.gensim("cbow", self.text, out, epochs, rate), self.of_words(out), self.python)
        for rate in (0.075, 0.15):
            out = work / f"koan-{rate}-cbow.txt"
            programs[f"koan, true gradient, rate {rate}"] = (self.koan(out, True, rate), self.of_words(out), self.peers / "koan.bin")
        return f"CBOW, {told_epochs(epochs)}", programs

    def glove(self):
        work, epochs, peers = self.work, self.options.epochs, self.peers
        def peer(seed):
            tool = {name: peers / f"glove_{name}.bin" for name in ("vocab_count", "cooccur", "shuffle", "glove")}
            return ["sh", "-c", f"cd {work} && {tool['vocab_count']} -min-count 5 < {self.text} > gv.txt && "
                    f"{tool['cooccur']} -window-size 15 -vocab-file gv.txt -memory 2 < {self.text} > gc.bin && "
                    f"{tool['shuffle']} -memory 2 -seed {seed} < gc.bin > gs.bin && {tool['glove']} -input-file gs.bin -vocab-file gv.txt "
                    f"-save-file glove-peer -vector-size 100 -threads 1 -iter {epochs} -x-max 10 -binary 0 -write-header 0 -seed {seed}"]
        return f"GloVe, window 15, {told_epochs(epochs)}, counting included", {
            "vecna": (self.vecna("glove", self.text, work / "glove.bin", "--epochs", epochs), self.of_words(work / "glove.bin"), None),
            "GloVe -Ofast": (peer, self.of_words(work / "glove-peer.txt"), peers / "glove_glove.bin"),
        }

    def dbow(self):
        work, epochs, source = self.work, 2 * self.options.epochs, self.text
        reviews = self.data and self.data / "text" / "movie-reviews.jsonl.xz"
        labels, name = None, "a document a line"
        if reviews and reviews.exists():
            source, labels = work / "reviews.txt", work / "reviews.labels"
            name = f"film reviews of {take_reviews(reviews, source, labels):,} words"
        return f"PV-DBOW, {name}, {told_epochs(epochs)}", {
            "vecna": (self.vecna("doc2vec", source, work / "docs.npy", "--epochs", epochs, "--min-count", 5),
                      self.of_documents(work / "docs.npy", labels), None),
            "gensim": (self.gensim("dbow", source, work / "docs-gensim.npy", epochs), self.of_documents(work / "docs-gensim.npy", labels),
                       self.python),
        }

    def node2vec(self):
        work, nodes, edges = self.work, self.options.nodes, 10 * self.options.nodes
        graph = work / "graph.txt"
        size = block_graph(graph, nodes, 100, edges)
        snap, pecanpy = self.peers / "node2vec.bin", self.peers / "venv" / "bin" / "pecanpy"
        return f"node2vec, {nodes:,} nodes, {edges:,} edges, q 0.5", {
            "vecna": (self.vecna("node2vec", graph, work / "nodes.txt", "--q", 0.5, tokens=False), self.of_nodes(work / "nodes.txt", size), None),
            "SNAP C++ -O3": (lambda seed: [snap, f"-i:{graph}", f"-o:{work / 'snap.txt'}", "-d:128", "-l:80", "-r:10", "-k:10", "-e:1", "-p:1",
                                           "-q:0.5"], self.of_nodes(work / "snap.txt", size), snap),
            "PecanPy SparseOTF": (lambda seed: [pecanpy, "--input", graph, "--output", work / "pecanpy.txt", "--mode", "SparseOTF", "--p", 1,
                                                "--q", 0.5, "--workers", 1, "--random_state", seed],
                                  self.of_nodes(work / "pecanpy.txt", size), pecanpy),
        }

    # -- on vectors that are there ---------------------------------------------------------------

    def rows_of(self, name):
        """A file of unit rows in float32, as both sides read it."""
        source = self.data and self.data / "models" / name
        if not source or not source.exists():
            return None
        np_save(self.work / name, np_load(source).astype("f4"))
        return self.work / name

    def python_peer(self, *arguments, seeded=True):
        return lambda seed: [self.python, ROOT / "bench" / "peers" / "train_python.py", *arguments, *([seed] if seeded else [])]

    def kmeans(self):
        rows = self.rows_of("banking77-train.all-mpnet-base-v2.768.npy")
        if rows is None:
            return "k-means", {}
        labels = self.work / "banking.labels"
        with open(self.data / "models" / "banking77-train.jsonl", encoding="utf-8") as lines:
            labels.write_text("".join(json.loads(line)["label"] + "\n" for line in lines))
        def mine(printed):
            return {"V-measure": 100 * value(json.loads(printed)["v_measure"])}
        return "k-means, 4,000 x 768, 77 groups, 10 starts, agreement and silhouette", {
            "vecna": (lambda seed: [VECNA, "eval", "cluster", rows, "--labels", labels, "--seed", seed, "--threads", 1, "--json"], mine, None),
            "scikit-learn": (self.python_peer("kmeans", rows, labels), lambda printed: {"V-measure": 100 * json.loads(printed)["v_measure"]},
                             self.python),
        }

    def pca(self):
        rows = self.rows_of("glosses-corpus.all-mpnet-base-v2.768.npy")
        if rows is None:
            return "PCA", {}
        out = self.work / "reduced.npy"
        return "PCA, 8,000 x 768 to 256, file to file", {
            "vecna": (lambda seed: [VECNA, "reduce", rows, out, "--dim", 256, "--method", "pca", "--seed", seed, "--threads", 1, "--no-report"], unjudged, None),
            "scikit-learn": (self.python_peer("pca", rows, self.work / "reduced-peer.npy", 256, seeded=False), unjudged, self.python),
        }

    def tsne(self):
        rows = self.rows_of("banking77-train.all-mpnet-base-v2.768.npy")
        if rows is None:
            return "t-SNE", {}
        def said(printed):
            return {"divergence (less is better)": json.loads(printed)["divergence"]}
        return "t-SNE, 4,000 x 768, 1,000 steps", {
            "vecna": (lambda seed: [VECNA, "plot", rows, "-o", self.work / "map.html", "--seed", seed, "--threads", 1, "--json"], said, None),
            "openTSNE": (self.python_peer("opentsne", rows), said, self.python),
            "scikit-learn": (self.python_peer("tsne", rows), said, self.python),
        }

    def all(self):
        return [self.skipgram, self.cbow, self.glove, self.dbow, self.node2vec, self.kmeans, self.pca, self.tsne]


def unjudged(printed):  # the same directions, which tests hold
    return {}


def told_epochs(count):
    return f"{count} epoch" + "s" * (count != 1)


def value(figure):
    return figure["value"] if isinstance(figure, dict) else figure


def np_load(path):
    import numpy

    return numpy.load(path)


def np_save(path, rows):
    import numpy

    numpy.save(path, rows)
