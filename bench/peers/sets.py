"""The real sets of the comparison and their splits.

A judged cell is made so that no judged row was fitted and no fitted row is in the corpus. (A fitted
row is translated better than an unseen one; left among the distractors it is never the answer,
and every method looks worse, or, with hubness corrections, better than it is.)
"""

import dataclasses
import json
import pathlib

import numpy as np

from measures import unit

MODELS = {384: "all-MiniLM-L6-v2.384", 768: "all-mpnet-base-v2.768"}
SHORT = {384: "minilm.384", 768: "mpnet.768", 1536: "ada-002.1536"}


@dataclasses.dataclass
class Judged:
    """pairs, corpus, queries: {dim: rows}; relevant: corpus rows per query. Sets with the same
    `fitted` have the same pairs."""

    name: str
    fitted: str
    pairs: dict
    corpus: dict
    queries: dict
    relevant: list


def rows(path):
    return unit(np.load(path))


def jsonl(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]


def from_examples(home, pairs, test):
    """What ships with the repository: pairs and judged rows are separate files."""
    home = pathlib.Path(home)

    def load(folder, part):
        return {dim: rows(home / folder / f"{part}.{SHORT[dim]}.npy") for dim in MODELS}

    relevant = [query["relevant"] for query in jsonl(home / test / "queries.jsonl")]
    fitted = load(pairs, "pairs")
    name = f"{test}, {len(fitted[384])} pairs" + ("" if pairs == test else f" of {pairs}")
    return Judged(name, pairs, fitted, load(test, "corpus"), load(test, "queries"), relevant)


def judged_files(folder, name):
    """Corpus and queries {dim: rows}, and the relevant rows of each query, as they lie in a folder."""
    folder = pathlib.Path(folder)
    corpus = {dim: rows(folder / f"{name}-corpus.{label}.npy") for dim, label in MODELS.items()}
    queries = {dim: rows(folder / f"{name}-queries.{label}.npy") for dim, label in MODELS.items()}
    return corpus, queries, [query["relevant"] for query in jsonl(folder / f"{name}-queries.jsonl")]


def from_more(data, more, name):
    """The pairs of make_pairs.py, which are in no judged set, against a judged set: of `data`, or one
    that make_pairs.py made."""
    pairs = {dim: rows(pathlib.Path(more) / f"glosses-more.{label}.npy") for dim, label in MODELS.items()}
    folder = pathlib.Path(data) / "models" if name != "glosses-other" else more
    title = f"{name}, {len(pairs[384])} other pairs" + ("" if name.startswith("glosses") else " of glosses")
    return Judged(title, "more", pairs, *judged_files(folder, name))


def from_data(data, name, count, seed=0, leave=False):
    """A whole set of the data directory with `count` pairs taken out of its corpus for fitting; `leave`
    them in it, as a user's corpus has them, and every method does worse: they are never the answer."""
    corpus, queries, relevant = judged_files(pathlib.Path(data) / "models", name)
    total = len(corpus[384])
    judged = {row for wanted in relevant for row in wanted}
    free = np.array([row for row in range(total) if row not in judged])
    fitted = np.random.default_rng(1000 + seed).permutation(free)[:count]
    if leave:
        pairs = {dim: x[fitted] for dim, x in corpus.items()}
        title = f"{name}, {len(fitted)} pairs left in the corpus"
        return Judged(title, f"{name} {count} {seed}", pairs, corpus, queries, relevant)
    left = np.setdiff1d(np.arange(total), fitted)
    place = {row: at for at, row in enumerate(left)}
    return Judged(
        f"{name}, {len(fitted)} pairs",
        f"{name} {count} {seed}",
        {dim: x[fitted] for dim, x in corpus.items()},
        {dim: x[left] for dim, x in corpus.items()},
        queries,
        [[place[row] for row in wanted] for wanted in relevant],
    )


ADA = "openai-text-embedding-ada-002.1536"

# Sets without judged queries: (name, model and file of one side, of the other), in the data directory.
UNJUDGED = (
    ("banking77-train", "models/*.all-MiniLM-L6-v2.384", "models/*.all-mpnet-base-v2.768"),
    ("stsb-dev-sentences", "models/*.all-MiniLM-L6-v2.384", "models/*.all-mpnet-base-v2.768"),
    ("stsb-dev-sentences", "vectors/*.use-lite.512", "models/*.all-mpnet-base-v2.768"),
    ("fiori-docs", "vectors/*.use-lite.512", "vectors/*.all-MiniLM-L6-v2.384"),
    ("alice-sentences", "vectors/*.bge-m3.1024", "models/*.all-mpnet-base-v2.768"),
    ("airport-amenities", "vectors/*.vertex-textembedding-gecko-001.768", "vectors/*.vertex-text-embedding-005.768"),
    ("azure-services-content", "vectors/*.e5-small-v2.384", "models/*.all-mpnet-base-v2.768"),
    ("outdoor-products", "vectors/*.openai-text-embedding-3-small.256", f"vectors/*.{ADA}"),
)


def unjudged(data):
    """(name, {label: rows}) of every set above; a label ends with the dimension."""
    for name, *sides in UNJUDGED:
        files = {side.split("*.")[1]: pathlib.Path(data) / f"{side.replace('*', name)}.npy" for side in sides}
        yield name, {label: rows(path) for label, path in files.items()}


def docs(home):
    """ada-002 and mpnet over the same 1310 chunks; no judged queries, so folds."""
    home = pathlib.Path(home) / "docs"
    parts = ("pairs", "new")
    stacked = {d: np.vstack([rows(home / f"{p}.{SHORT[d]}.npy") for p in parts]) for d in (1536, 768)}
    return {SHORT[d]: x for d, x in stacked.items()}


def folds(count, seed=0):
    """Five folds, three where there are many rows: (rows to fit on, rows held out)."""
    parts = 5 if count < 1500 else 3
    order = np.random.default_rng(seed).permutation(count)
    for part in range(parts):
        held = np.sort(order[part::parts])
        yield np.setdiff1d(np.arange(count), held), held
