"""The trainers beside other programs, on the same text in the same job: CPU seconds of whole processes (or of
training alone where a program says so), medians of interleaved rounds, and the quality of the vectors.

    bench/peers/train_setup.sh FOLDER
    build/peers/bin/python bench/peers/train.py FOLDER TEXT [--eval DIR] [--words 4000000] [--rounds 5] [--write docs/performance.md]

TEXT is any text (a .xz is unpacked); its first --words words, lower-cased runs of a-z and of 0-9, a line a
paragraph, are what everything trains on. --eval is a folder with questions-words.txt and EN-WS-353-ALL.txt.
Ratios are what counts: a shared machine slows every program alike."""

import argparse
import json
import lzma
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECNA = os.environ.get("VECNA", str(ROOT / "build" / "vecna"))
GENSIM = """
import sys, time
from gensim.models import Word2Vec, Doc2Vec
kind, text, out, epochs = sys.argv[1:5]
usual = dict(vector_size=100, negative=5, min_count=5, workers=1, epochs=int(epochs), corpus_file=text)
t = time.process_time()
if kind == "dbow":
    Doc2Vec(dm=0, sample=0, alpha=0.025, **usual)
else:
    model = Word2Vec(window=5, sample=1e-3, sg=int(kind == "skipgram"), alpha=0.05, **usual)
    if out != "-":
        model.wv.save_word2vec_format(out, binary=True)
"""


def cpu_of(command, **options):
    """CPU seconds of a process and its children; None when it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                          env=dict(os.environ, OPENBLAS_NUM_THREADS="1"), **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime if done.returncode == 0 else None


def take_words(path, count, out):
    pattern, taken = re.compile(r"[a-z]+|[0-9]+"), 0
    opened = lzma.open(path, "rt") if str(path).endswith(".xz") else open(path, encoding="utf-8")
    with opened as lines, open(out, "w", encoding="utf-8") as to:
        for line in lines:
            words = pattern.findall(line.lower())
            if words and taken < count:
                to.write(" ".join(words) + "\n")
                taken += len(words)
    return taken


def block_graph(path, nodes, communities, edges, seed=1):
    rng, seen = random.Random(seed), set()
    size = nodes // communities
    while len(seen) < edges:
        a = rng.randrange(nodes)
        b = a // size * size + rng.randrange(size) if rng.random() < 0.5 else rng.randrange(nodes)
        if a != b:
            seen.add((min(a, b), max(a, b)))
    path.write_text("".join(f"{a} {b}\n" for a, b in sorted(seen)))


def quality(vectors, folder):
    if folder is None or not vectors.exists():
        return ""
    def ask(*command):
        return json.loads(subprocess.run([VECNA, "eval", *map(str, command), "--json"], capture_output=True, check=True).stdout)
    analogy = ask("analogy", vectors, folder / "questions-words.txt", "--restrict-vocab", 30000)
    similar = ask("similarity", vectors, folder / "EN-WS-353-ALL.txt")
    return f"{100 * analogy['accuracy']['value']:.1f} / {100 * similar['cosine']['spearman']['value']:.1f}"


def word2vec_c(program, text, out, arch, epochs):
    return [program, "-train", text, "-output", out, "-size", 100, "-window", 5, "-negative", 5, "-hs", 0, "-sample", "1e-3",
            "-threads", 1, "-binary", 1, "-min-count", 5, "-alpha", 0.05, "-iter", epochs, "-cbow", int(arch == "cbow")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--eval", type=pathlib.Path)
    parser.add_argument("--words", type=int, default=4000000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", type=pathlib.Path)
    args = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="vecna_bench_"))
    text, docs, graph = work / "text.txt", work / "docs.txt", work / "graph.txt"
    words = take_words(args.text, args.words, text)
    block_graph(graph, 10000, 100, 100000)
    peers, python = args.folder, args.folder / "venv" / "bin" / "python"
    (work / "peer_gensim.py").write_text(GENSIM)
    epochs = args.epochs
    ours = [VECNA, "train"]
    plain = ["--tokens", "space", "--threads", 1, "--checkpoint", 0]

    def vecna(method, source, out, *more):
        return [*ours, method, source, "-o", out, *(plain if method != "node2vec" else plain[2:]), *more]

    def gensim(kind, out="-"):
        return [python, work / "peer_gensim.py", kind, text, out, epochs]

    def glove_peer(out):
        tool = {name: peers / f"glove_{name}.bin" for name in ("vocab_count", "cooccur", "shuffle", "glove")}
        return ["sh", "-c", f"cd {work} && {tool['vocab_count']} -min-count 5 < text.txt > gv.txt && "
                f"{tool['cooccur']} -window-size 15 -vocab-file gv.txt -memory 2 < text.txt > gc.bin && "
                f"{tool['shuffle']} -memory 2 -seed 1 < gc.bin > gs.bin && {tool['glove']} -input-file gs.bin -vocab-file gv.txt "
                f"-save-file {out} -vector-size 100 -threads 1 -iter {epochs} -x-max 10 -binary 0 -write-header 1 -seed 1"]

    jobs = {
        f"skip-gram, {epochs} epochs": {
            "vecna": (vecna("word2vec", text, work / "a.bin", "--epochs", epochs), work / "a.bin", None),
            "word2vec.c -Ofast": (word2vec_c(peers / "word2vec.bin", text, work / "b.bin", "skipgram", epochs), work / "b.bin",
                                  peers / "word2vec.bin"),
            "pWord2Vec, OpenBLAS": (word2vec_c(peers / "pword2vec.bin", text, work / "c.bin", "skipgram", epochs)[:-2],
                                    work / "c.bin", peers / "pword2vec.bin"),
            "gensim": (gensim("skipgram", work / "d.bin"), work / "d.bin", python),
        },
        f"CBOW, {epochs} epochs": {
            "vecna": (vecna("word2vec", text, work / "e.bin", "--epochs", epochs, "--arch", "cbow"), work / "e.bin", None),
            "word2vec.c -Ofast": (word2vec_c(peers / "word2vec.bin", text, work / "f.bin", "cbow", epochs), work / "f.bin",
                                  peers / "word2vec.bin"),
            "gensim": (gensim("cbow", work / "g.bin"), work / "g.bin", python),
        },
        f"GloVe, window 15, {epochs} epochs, counting included": {
            "vecna": (vecna("glove", text, work / "h.bin", "--epochs", epochs), work / "h.bin", None),
            "GloVe -Ofast": (glove_peer(work / "i"), work / "i.txt", peers / "glove_glove.bin"),
        },
        f"PV-DBOW, a document a line, {epochs} epochs": {
            "vecna": (vecna("doc2vec", text, work / "j.npy", "--epochs", epochs, "--min-count", 5), work / "-", None),
            "gensim": (gensim("dbow"), work / "-", python),
        },
        "node2vec, 10,000 nodes, 100,000 edges, q 0.5": {
            "vecna": (vecna("node2vec", graph, work / "k.npy", "--q", 0.5), work / "-", None),
            "SNAP C++ -O3": ([peers / "node2vec.bin", f"-i:{graph}", f"-o:{work / 'l.emb'}", "-d:128", "-l:80", "-r:10", "-k:10",
                              "-e:1", "-p:1", "-q:0.5"], work / "-", peers / "node2vec.bin"),
        },
    }
    lines = [f"{words:,} words of {args.text.name.split('.')[0]}, one thread each, median of {args.rounds} interleaved rounds, "
             f"whole processes; quality: analogies among 30,000 words % / WS-353 Spearman.", "",
             "| work | program | CPU s | vecna is faster by | quality |", "| --- | --- | ---: | ---: | ---: |"]
    for work_name, programs in jobs.items():
        if args.only not in work_name:
            continue
        times = {name: [] for name, (_, _, needs) in programs.items() if needs is None or needs.exists()}
        for _ in range(args.rounds):
            for name in times:
                cpu = cpu_of(programs[name][0])
                if cpu is not None:
                    times[name].append(cpu)
        mine = statistics.median(times["vecna"])
        for name, (_, result, _) in programs.items():
            if not times.get(name):
                lines.append(f"| {work_name} | {name} | not here | | |")
                continue
            median = statistics.median(times[name])
            ratio = "" if name == "vecna" else f"{median / mine:.1f}x"
            lines.append(f"| {work_name} | {name} | {median:.2f} | {ratio} | {quality(result, args.eval)} |")
            print(lines[-1], flush=True)
    report = "\n".join(lines) + "\n"
    if args.write:
        mark, end = "<!-- train.py -->\n", "<!-- train.py ends -->\n"
        old = args.write.read_text() if args.write.exists() else "# Performance\n\n## Training\n\n" + mark + end
        if mark not in old:
            old += "\n## Training\n\n" + mark + end
        args.write.write_text(old[:old.index(mark) + len(mark)] + report + old[old.index(end):])
    else:
        print(report)


main()
