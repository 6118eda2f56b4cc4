#!/usr/bin/env python3
"""Make examples/ again from the directory of real data it was cut from.

    scripts/make_examples.py DATA [OUT]        OUT defaults to examples/ beside scripts/

Only the standard library is used and no random number is drawn: which rows are taken follows
from the SHA-256 of their ids, so every machine and every Python 3.8 or later writes the same bytes,
and the digests of SHA256SUMS are checked at the end (exit status 1 if one differs;
--record writes that file instead).

What is taken, and why those rows:
  docs/      pairs of ada-002 and mpnet over the same chunks of six document sets; `new` was held
             back, so that a map fitted on `pairs` can be tried on rows it has never seen;
             `foreign` is another model of the same dimension, which a map must refuse
  glosses/   the clean protocol: `pairs` are rows that no query is judged against and that are not
             in `corpus`; `corpus`, `queries` and `qrels.tsv` are for judging
  passages/  paragraphs and questions from another domain than glosses/, for the same two models
  support/   customer questions in a 3072-dimensional space, to reduce and restore
  text/      old books that speak much of kings and queens, to train words on; what people said of pairs of
             words; sentences that have "bank" in one of two senses
"""

import argparse
import ast
import hashlib
import itertools
import json
import lzma
import pathlib
import re
import struct
import sys

ADA = "openai-text-embedding-ada-002.1536"
SMALL3 = "openai-text-embedding-3-small.1536"
MPNET = "all-mpnet-base-v2.768"
MINILM = "all-MiniLM-L6-v2.384"
LAST4 = "all-mpnet-base-v2-last4.3072"

DOC_SETS = (
    "ebs-docs-plain",
    "handbook-ada",
    "outdoor-products",
    "state-of-the-union-2022",
    "hotels",
    "solidity-docs",
)
NEW_DOCS = 150
# Nearly the same text as another row (centred cosine above 0.97), so never in `new`.
NEARLY_TWICE = {"ebs-docs-plain/82", "ebs-docs-plain/85", "handbook-ada/122", "handbook-ada/189"}

GLOSS_PAIRS, GLOSS_CORPUS, GLOSS_QUERIES = 1200, 700, 200
QUESTIONS = 240
SUPPORT_FIT, SUPPORT_TEST = 400, 150
TEXT_CHARACTERS = 8_000_000
HE_AND_SHE = ("king queen", "man woman", "boy girl", "father mother", "son daughter", "brother sister", "husband wife", "lord lady",
              "prince princess", "uncle aunt", "he she", "his her")
BANK = {
    "river": ("Willows hang over the bank where the children learn to swim.", "An otter slid down the bank and vanished.",
              "They tied the canoe to a root in the bank.", "After the rain the bank gave way and the path was gone.",
              "We ate our sandwiches on the bank and watched the swans.", "The angler stood on the bank until dusk.",
              "Reeds along the bank hide the nests of ducks.", "He swam across and lay panting on the far bank."),
    "money": ("The bank turned down her request for a mortgage.", "Two masked men held up the bank at noon.",
              "My salary goes straight to the bank.", "The bank has raised its interest rates again.",
              "A clerk at the bank counted the notes twice.", "Ask your bank for a new card.",
              "When the bank failed, thousands lost their savings.", "The bank sent him a statement of what he owed."),
}


class Npy:
    """Rows of a little-endian C-order .npy matrix, read whole."""

    def __init__(self, path):
        raw = path.read_bytes()
        if raw[:6] != b"\x93NUMPY" or raw[6] != 1:
            raise ValueError(f"{path}: not a version 1 .npy file")
        start = 10 + struct.unpack_from("<H", raw, 8)[0]
        header = ast.literal_eval(raw[10:start].decode("latin-1"))
        self.rows, self.dim = header["shape"]
        self.width = {"<f2": 2, "<f4": 4}[header["descr"]]
        if header["fortran_order"] or len(raw) != start + self.rows * self.dim * self.width:
            raise ValueError(f"{path}: Fortran order or wrong length")
        self.data = memoryview(raw)[start:]

    def f16(self, row):
        """One row as little-endian float16: a copy, or float32 rounded to nearest even."""
        size = self.dim * self.width
        part = self.data[row * size : (row + 1) * size]
        if self.width == 2:
            return bytes(part)
        return struct.pack(f"<{self.dim}e", *struct.unpack(f"<{self.dim}f", part))


def write_npy(path, dim, rows):
    text = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({len(rows)}, {dim}), }}"
    text = text.ljust(-(-(10 + len(text) + 1) // 64) * 64 - 11) + "\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1")
    path.write_bytes(head + b"".join(rows))


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_jsonl(path, rows):
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def by_digest(ids, salt):
    """Positions of ids in an order that looks random and never changes."""
    return sorted(range(len(ids)), key=lambda i: hashlib.sha256(f"{salt}:{ids[i]}".encode()).digest())


def plain(text):
    return " ".join(text.split())


def write_set(out, name, items, models):
    """items: (dict for the JSONL, {model: (Npy, row)}); models: {model: name in the file}."""
    write_jsonl(out / f"{name}.jsonl", [item[0] for item in items])
    for model, label in models.items():
        dim = items[0][1][model][0].dim
        write_npy(out / f"{name}.{label}.npy", dim, [item[1][model][0].f16(item[1][model][1]) for item in items])


def make_docs(data, out):
    items, seen = [], set()
    for name in DOC_SETS:
        ada = Npy(data / "vectors" / f"{name}.{ADA}.npy")
        mpnet = Npy(data / "models" / f"{name}.{MPNET}.npy")
        for row, entry in enumerate(read_jsonl(data / "vectors" / f"{name}.jsonl")):
            key = plain(entry.get("name", "") + " " + entry["text"])
            if key in seen:
                continue  # the handbook repeats some chunks word for word
            seen.add(key)
            record = {"id": f"{name}/{row}"}
            if "name" in entry:
                record["title"] = entry["name"]
            record["text"] = entry["text"]
            items.append((record, {ADA: (ada, row), MPNET: (mpnet, row)}))
    ids = [item[0]["id"] for item in items]
    order = [i for i in by_digest(ids, "docs") if ids[i] not in NEARLY_TWICE]
    new = set(order[:NEW_DOCS])
    models = {ADA: "ada-002.1536", MPNET: "mpnet.768"}
    write_set(out, "pairs", [item for i, item in enumerate(items) if i not in new], models)
    write_set(out, "new", [item for i, item in enumerate(items) if i in new], models)
    small3 = Npy(data / "vectors" / f"hotels.{SMALL3}.npy")
    hotels = read_jsonl(data / "vectors" / "hotels.jsonl")
    foreign = [({"id": f"hotels/{row}", "text": entry["text"]}, {SMALL3: (small3, row)}) for row, entry in enumerate(hotels)]
    write_set(out, "foreign", foreign, {SMALL3: "3-small.1536"})


def load(data, name):
    files = {model: Npy(data / "models" / f"{name}.{model}.npy") for model in (MINILM, MPNET)}
    return read_jsonl(data / "models" / f"{name}.jsonl"), files


def write_judged(out, corpus, corpus_files, rows, queries, query_files, chosen):
    """corpus rows `rows`, the queries `chosen`, and who answers whom, as BEIR writes it."""
    models = {MINILM: "minilm.384", MPNET: "mpnet.768"}
    place = {row: at for at, row in enumerate(rows)}
    items = [({"id": corpus[r]["id"], "text": corpus[r]["text"]}, {m: (corpus_files[m], r) for m in models}) for r in rows]
    write_set(out, "corpus", items, models)
    items, judgements = [], ["query-id\tcorpus-id\tscore\n"]
    for q in chosen:
        relevant = queries[q]["relevant"]
        record = {"id": "q-" + queries[q]["id"], "text": queries[q]["text"], "relevant": [place[r] for r in relevant]}
        items.append((record, {m: (query_files[m], q) for m in models}))
        judgements += [f"{record['id']}\t{corpus[r]['id']}\t1\n" for r in relevant]
    write_set(out, "queries", items, models)
    (out / "qrels.tsv").write_text("".join(judgements), encoding="utf-8", newline="\n")


def make_glosses(data, out):
    corpus, corpus_files = load(data, "glosses-corpus")
    queries, query_files = load(data, "glosses-queries")
    judged = {r for query in queries for r in query["relevant"]}
    chosen = sorted(by_digest([q["id"] for q in queries], "queries")[:GLOSS_QUERIES])
    wanted = {r for q in chosen for r in queries[q]["relevant"]}
    free = [i for i in by_digest([c["id"] for c in corpus], "glosses") if i not in judged]
    pairs = sorted(free[:GLOSS_PAIRS])
    rows = sorted(wanted | set(free[GLOSS_PAIRS : GLOSS_PAIRS + GLOSS_CORPUS - len(wanted)]))
    models = {MINILM: "minilm.384", MPNET: "mpnet.768"}
    items = [({"id": corpus[r]["id"], "text": corpus[r]["text"]}, {m: (corpus_files[m], r) for m in models}) for r in pairs]
    write_set(out, "pairs", items, models)
    write_judged(out, corpus, corpus_files, rows, queries, query_files, chosen)


def make_passages(data, out):
    corpus, corpus_files = load(data, "xquad-corpus")
    queries, query_files = load(data, "xquad-queries")
    for row in corpus:
        row["id"] = f"p{row['id']}"
    chosen, seen = [], set()
    for q in by_digest([q["id"] for q in queries], "questions"):
        if plain(queries[q]["text"]) not in seen:
            seen.add(plain(queries[q]["text"]))
            chosen.append(q)
    write_judged(out, corpus, corpus_files, list(range(len(corpus))), queries, query_files, sorted(chosen[:QUESTIONS]))


def make_support(data, out):
    for name, part, count in (("train-2000", "fit", SUPPORT_FIT), ("test-500", "test", SUPPORT_TEST)):
        vectors = Npy(data / "models" / f"banking77-{name}.{LAST4}.npy")
        texts = read_jsonl(data / "models" / f"banking77-{name.split('-')[0]}.jsonl")[: vectors.rows]
        rows = sorted(by_digest([t["text"] for t in texts], part)[:count])
        records = [{"id": f"{part}-{r}", "text": texts[r]["text"], "label": texts[r]["label"]} for r in rows]
        write_set(out, part, [(rec, {LAST4: (vectors, r)}) for rec, r in zip(records, rows)], {LAST4: "mpnet-last4.3072"})


def digests(out):
    made = [p for name in MAKERS for p in (out / name).iterdir()]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(made)}


def check(out, expected):
    found = digests(out)
    wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    for name in wrong:
        print(f"{name}: sha256 is {found.get(name)}, SHA256SUMS says {expected.get(name)}", file=sys.stderr)
    size = sum((out / n).stat().st_size for n in found)
    print(f"{len(found)} files, {size / 1e6:.1f} MB: " + (f"{len(wrong)} differ" if wrong else "as recorded"))
    return 1 if wrong else 0


def make_text(data, out):
    """Whole books, those first that speak most of kings and of queens for their length."""
    books = []
    with lzma.open(data / "text" / "classics-100mb.txt.xz", "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.startswith("=== "):
                books.append([])
            books[-1].append(line)

    def speaks(book):
        text = "".join(book).lower()
        kings, queens = (len(re.findall(rf"\b{word}s?\b", text)) for word in ("king", "queen"))
        return min(kings, 4 * queens) / len(text) ** 0.5

    taken, room = [], TEXT_CHARACTERS
    for book in sorted(books, key=lambda book: (-speaks(book), book[0])):
        size = sum(map(len, book))
        if size <= room:
            taken.append(book)
            room -= size
    text = "".join(line for book in taken for line in book)
    questions = "".join(f"{a} {b}\n" for a, b in itertools.permutations(HE_AND_SHE, 2))
    (out / "questions.txt").write_text(": he and she\n" + questions, newline="\n")
    pairs = (data / "eval" / "EN-WS-353-ALL.txt").read_text(encoding="ascii")
    (out / "wordsim353.tsv").write_text(pairs, newline="\n")
    write_jsonl(out / "bank.jsonl", [{"id": f"{sense}-{n}", "text": text, "label": sense}
                                     for sense, texts in BANK.items() for n, text in enumerate(texts)])
    (out / "books.txt.xz").write_bytes(lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))


MAKERS = {"docs": make_docs, "glosses": make_glosses, "passages": make_passages, "support": make_support, "text": make_text}


def main():
    home = pathlib.Path(__file__).resolve().parent.parent / "examples"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help="directory with vectors/ and models/")
    parser.add_argument("out", type=pathlib.Path, nargs="?", default=home)
    parser.add_argument("--record", action="store_true", help="write SHA256SUMS instead of checking it")
    args = parser.parse_args()
    for name, make in MAKERS.items():
        (args.out / name).mkdir(parents=True, exist_ok=True)
        make(args.data, args.out / name)
    sums = home / "SHA256SUMS"
    if args.record:
        sums.write_text("".join(f"{d}  {n}\n" for n, d in digests(args.out).items()), newline="\n")
        return 0
    lines = (line.split("  ", 1) for line in sums.read_text().splitlines())
    return check(args.out, {name: digest for digest, name in lines})


if __name__ == "__main__":
    sys.exit(main())
