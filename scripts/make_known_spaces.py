#!/usr/bin/env python3
"""Makes lib/space/known/known_spaces.c: fingerprints of published vectors, for `vecna inspect`.

    scripts/make_known_spaces.py ../shared/data        (needs NumPy)

Mean and directions become int8. Spaces with a narrow cone are recognised by their mean and get 8 directions,
near-isotropic ones need 32, and the 384-dimensional models, which are each other's kin, 96 (docs/space.md). The score of held-out rows is taken after
rounding, so that it is what the rounded fingerprint gives.
"""
import base64
import glob
import os
import sys

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "reference"))
import space_reference  # noqa: E402

AZURE = "github.com/Azure-Samples"
# file pattern, name, source and licence
SPACES = [
    ("*.all-MiniLM-L6-v2.384", "sentence-transformers/all-MiniLM-L6-v2",
     "model all-MiniLM-L6-v2 (Apache-2.0) over the texts of shared/data/models"),
    ("*.all-mpnet-base-v2.768", "sentence-transformers/all-mpnet-base-v2",
     "model all-mpnet-base-v2 (Apache-2.0) over the texts of shared/data/models"),
    ("*.e5-small-v2.384", "intfloat/e5-small-v2", "Azure/azure-search-vector-samples (MIT)"),
    ("*.openai-text-embedding-ada-002.1536", "openai/text-embedding-ada-002",
     "EverettBerry/chat-your-data, hwchase17/notion-qa, arc53/DocsGPT, hwchase17/chat-your-data, "
     "Azure-Samples (all MIT)"),
    ("*.openai-text-embedding-3-small.1536", "openai/text-embedding-3-small",
     "Azure-Samples/cosmos-db-vector-samples (MIT)"),
    ("*.openai-text-embedding-3-small.256", "openai/text-embedding-3-small, dimensions=256",
     "Azure-Samples/rag-postgres-openai-python (MIT)"),
    ("*.openai-text-embedding-3-large.1024", "openai/text-embedding-3-large, dimensions=1024",
     "Azure-Samples/rag-postgres-openai-python (MIT)"),
    ("*.openai-text-search-babbage-doc-001.2048", "openai/text-search-babbage-doc-001",
     "hwchase17/notion-qa (MIT)"),
    ("*.vertex-textembedding-gecko-001.768", "google/textembedding-gecko@001",
     "GoogleCloudPlatform/genai-databases-retrieval-app (Apache-2.0)"),
    ("*.vertex-text-embedding-005.768", "google/text-embedding-005",
     "GoogleCloudPlatform/genai-databases-retrieval-app (Apache-2.0)"),
    ("*.nomic-embed-text.768", "nomic-ai/nomic-embed-text",
     "Azure-Samples/rag-postgres-openai-python (MIT)"),
    ("*.bge-m3.1024", "BAAI/bge-m3", "ai-pipestream/lucene-test-data (MIT)"),
    ("*.use-lite.512", "google/universal-sentence-encoder-lite",
     "Universal Sentence Encoder Lite (Apache-2.0) over the texts of shared/data/vectors"),
    ("glove6b-top40k.100", "stanford/glove.6B.100d", "GloVe 6B (PDDL 1.0)"),
    ("word2vec-googlenews-1000.300", "google/word2vec-GoogleNews-300",
     "pamelafox/vectors-comparison (MIT)"),
]
SAMPLE = 1280


def load(data, pattern):
    """At most SAMPLE rows, evenly from every set, and the plain rows for the norms."""
    files = sorted(glob.glob(os.path.join(data, "*", pattern + ".npy")))
    sets = [np.load(f).astype(np.float64) for f in files]
    assert sets, pattern
    share = -(-SAMPLE // len(sets))
    rows = np.concatenate([s[np.linspace(0, len(s) - 1, min(share, len(s))).astype(int)] for s in sets])
    order = np.random.default_rng(0).permutation(len(rows))
    return rows[order][:SAMPLE], sum(len(s) for s in sets)


def int8(rows):
    scale = np.abs(rows).max(-1, keepdims=True) / 127
    return np.round(rows / scale).astype(np.int8), scale


def text(row):
    return '    "' + base64.b64encode(row.tobytes()).decode() + '",'


def number(value):
    return repr(float(np.float32(value)))


def main():
    data = sys.argv[1]
    out = ["/* clang-format off */",
           "/* Made by scripts/make_known_spaces.py: do not edit. Each entry names the published vectors",
           " * that its numbers were computed from, and their licence. */",
           '#include "space/space_impl.h"', ""]
    table = []
    for index, (pattern, name, source) in enumerate(SPACES):
        rows, total = load(data, pattern)
        norm = np.linalg.norm(rows, axis=1)
        cone = np.linalg.norm(space_reference.unit(rows).mean(0))
        directions = 8 if cone >= 0.5 else 32
        if rows.shape[1] == 384:
            directions = 96
        space = space_reference.Space(rows, directions=directions)
        mean8, mean_scale = int8(space.mean)
        principal8, _ = int8(space.principal)
        space.mean = mean8 * mean_scale
        space.cone = np.linalg.norm(space.mean)
        space.axis = space.mean / space.cone
        principal = principal8 / np.linalg.norm(principal8.astype(float), axis=1, keepdims=True)
        space.set_directions(principal, space.variances, space.held)
        out += ["static const char *const rows_%d[] = {" % index, text(mean8)]
        out += [text(row) for row in principal8] + ["};"]
        out.append("static const float variances_%d[] = {" % index)
        out += ["    %sF," % number(v) for v in space.variances] + ["};", ""]
        unit = int(np.abs(norm - 1).max() <= 1e-3)
        table.append('    {{"%s",\n      "%s", %d}, %d, %d,\n     %d, %s, %s, %s, %s, %s, %s, rows_%d, variances_%d},' % (
            name, source, space.dim, len(space.variances), unit, total, repr(float(norm.mean())),
            repr(float(norm.std())), repr(float(space.spread)), repr(float(space.breadth)),
            repr(float(space.gain)), repr(float(mean_scale[0])), index, index))
    out += ["const vni_known_space vni_known_spaces[] = {"] + table + ["};", ""]
    out.append("const size_t vni_known_spaces_count = sizeof vni_known_spaces / sizeof *vni_known_spaces;")
    with open(os.path.join(ROOT, "lib", "space", "known", "known_spaces.c"), "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
