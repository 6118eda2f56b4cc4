"""t-SNE by vecna, scikit-learn and openTSNE on the same rows in one run: processor seconds, and the share of the
10 nearest neighbours that are neighbours in the picture.

usage: python tsne.py VECNA VECTORS.npy    (needs numpy, scikit-learn, openTSNE)
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy
import openTSNE
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors


def kept(rows, plane, k=10):
    """Share of the k nearest rows of every second row that are nearest in the picture."""
    asked = slice(None, None, 2)
    lists = [NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x[asked], return_distance=False)[:, 1:] for x in (rows, plane)]
    return numpy.mean([len(set(a) & set(b)) / k for a, b in zip(*lists)])


def by_vecna(command, path, folder):
    out = os.path.join(folder, "map.html")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(subprocess.run([command, "plot", path, "-o", out, "--json"], check=True, capture_output=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    data = json.loads(re.search(r'id="data">(.*?)</script>', open(out).read(), re.S).group(1))
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, said["divergence"], numpy.c_[data["x"], data["y"]]


def timed(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main():
    command, path = sys.argv[1:3]
    rows = numpy.load(path).astype("f4")
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = [("vecna", *by_vecna(command, path, folder))]
    seconds, model = timed(lambda: TSNE(init="pca", random_state=0).fit(rows))
    figures.append(("scikit-learn", seconds, model.kl_divergence_, model.embedding_))
    seconds, plane = timed(lambda: openTSNE.TSNE(random_state=0).fit(rows))
    figures.append(("openTSNE", seconds, plane.kl_divergence, numpy.asarray(plane)))
    print(f"{rows.shape[0]} rows x {rows.shape[1]}: processor seconds, divergence, neighbours kept")
    for name, seconds, divergence, plane in figures:
        print(f"  {name:14} {seconds:8.1f} {divergence:8.3f} {kept(rows, plane):8.3f}   x{seconds / figures[0][1]:.1f}")


if __name__ == "__main__":
    main()
