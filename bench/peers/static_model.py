"""Texts a second on one core: vecna's built-in model and the same table run by model2vec, in one run, in turn.

usage: python static_model.py VECNA MODEL.vecna TEXTS.txt    (needs numpy, safetensors, tokenizers, model2vec)

TEXTS is one text a line. Both read them from memory or a file and give float32 rows; processor seconds, median of five.
What vecna's command takes to start and to write its file is inside its figure.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import model2vec
import numpy
import safetensors.numpy
import tokenizers

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def peer(path):
    tensors = safetensors.numpy.load_file(path)
    table = (tensors["embeddings"] * tensors["scales"][:, None]).astype("f4")
    words = {word: i for i, word in enumerate(tensors["vocabulary"].tobytes().decode().splitlines())}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return model2vec.StaticModel(table, made, normalize=True)


def by_vecna(command, model, texts, folder):
    out = os.path.join(folder, "out.npy")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["taskset", "-c", "0", command, "embed", texts, "-o", out, "--model", model, "--fresh", "--json"], check=True,
                   capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, numpy.load(out)


def main():
    command, path, texts = sys.argv[1:4]
    lines = open(texts, encoding="utf-8").read().splitlines()
    model = peer(path)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            seconds, rows = by_vecna(command, path, texts, folder)
            ours.append(seconds)
            start = time.process_time()
            other = model.encode(lines, use_multiprocessing=False, max_length=None)
            theirs.append(time.process_time() - start)
    same = (rows * other).sum(1)
    print(f"{len(lines)} texts; cosine of the two programs' rows: mean {same.mean():.6f}, least {same.min():.6f}")
    for name, seconds in (("vecna", statistics.median(ours)), ("model2vec", statistics.median(theirs))):
        print(f"  {name:10} {seconds:7.3f} processor seconds, {len(lines) / seconds:10,.0f} texts a second")
    print(f"  ratio {statistics.median(theirs) / statistics.median(ours):.1f}")


if __name__ == "__main__":
    main()
