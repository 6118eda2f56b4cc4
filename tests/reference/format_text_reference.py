#!/usr/bin/env python3
"""Golden text files: tests/golden/good (one known matrix in every spelling) and tests/golden/bad (each
with one thing wrong). Standard library only. Usage: tests/reference/format_text_reference.py"""

import base64
import csv
import io
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent / "golden"
ROWS, DIM = 5, 6
WORDS = ["</s>", "the", "na\xefve", "new_york", "\u6771\u4eac"]
TEXTS = ["plain", 'with "quotes"', "two\nlines", "comma, semicolon; tab\tbar|", "\u00e4\U0001f600"]
MATRIX = [[((31 * row + 17 * column) % 97 - 48) / 4 for column in range(DIM)] for row in range(ROWS)]


def b64(row):
    return base64.b64encode(struct.pack("<%df" % DIM, *row)).decode()


def listed(row, between=","):
    return "[" + between.join(repr(x) for x in row) + "]"


def records(vector=lambda row: row, name="embedding"):
    return [{"id": WORDS[i], "meta": {"n": [i, None]}, name: vector(MATRIX[i]), "text": TEXTS[i]} for i in range(ROWS)]


def lines(rows, **options):
    return "".join(json.dumps(row, **options) + "\n" for row in rows)


def body(rows, vector=lambda row: row):
    data = [{"object": "embedding", "index": i, "embedding": vector(row)} for i, row in enumerate(rows)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}


def table(rows, header, delimiter=",", end="\n"):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    if header:
        writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def words(between=" ", tail="", names=WORDS):
    return "".join(name + between + between.join(map(repr, row)) + tail + "\n" for name, row in zip(names, MATRIX))


def good():
    columns = [f"dim_{i}" for i in range(DIM)]
    spread = [[WORDS[i], *MATRIX[i], TEXTS[i]] for i in range(ROWS)]
    cells = [[WORDS[i], listed(MATRIX[i]), TEXTS[i]] for i in range(ROWS)]
    yield "lines.jsonl", lines(records())
    yield "utf8.jsonl", lines(records(), ensure_ascii=False, separators=(",", ":"))
    yield "crlf-bom-blank.jsonl", "\ufeff\r\n" + lines(records()).replace("\n", "\r\n\r\n")
    yield "no-last-newline.jsonl", lines(records())[:-1]
    yield "base64.jsonl", lines(records(b64))
    yield "base64-slash.jsonl", lines(records(b64)).replace("/", "\\/")
    yield "postgres.jsonl", lines(records(listed))
    yield "vector.jsonl", lines(records(name="vector"))
    yield "other.jsonl", lines(records(name="v1"))
    yield "exponents.jsonl", lines(records()).replace(".0,", ".0e0,").replace(".0]", "00E-2]")
    yield "two-names.jsonl", lines([{"values": [1, 2], **row} for row in records()])
    yield "bare.jsonl", lines(MATRIX)
    yield "array.json", json.dumps(records())
    yield "array-pretty.json", json.dumps(records(), indent=2)
    yield "array-bare.json", json.dumps(MATRIX, indent=1)
    yield "records-pretty.json", "\n".join(json.dumps(row, indent=2) for row in records())
    yield "openai.json", json.dumps(body(MATRIX), indent=2)
    yield "openai-base64.json", json.dumps(body(MATRIX, b64))
    yield "openai-bodies.jsonl", lines([body(MATRIX[:2]), body(MATRIX[2:])])
    yield "openai-data-last.json", json.dumps({"model": "m", "nested": {"data": [{"x": 1}]}, **body(MATRIX)})
    yield "ollama.json", json.dumps({"model": "m", "embeddings": MATRIX, "total_duration": 1})
    yield "google.json", json.dumps({"embeddings": [{"values": row} for row in MATRIX]}, indent=1)
    yield "columns.csv", table(spread, ["id", *columns, "text"])
    yield "columns-crlf-bom.csv", "\ufeff" + table(spread, ["id", *columns, "text"], end="\r\n")
    yield "columns-no-header.csv", table([row[:-1] for row in spread], None)
    yield "columns-id-no-header.csv", table([[i, *row] for i, row in enumerate(MATRIX)], None)
    yield "columns-alone.csv", table(MATRIX, None)
    yield "columns-pandas.csv", table([[i, *row] for i, row in enumerate(MATRIX)], ["", *range(DIM)])
    yield "columns-year.csv", table([[1990 + i, *MATRIX[i], 7] for i in range(ROWS)], ["year", *columns, "n"])
    yield "pgvector.csv", table(cells, ["id", "embedding", "text"])
    yield "pgvector-no-header.csv", table(cells, None)
    yield "pandas.csv", table([[a, listed(MATRIX[i], ", "), b] for i, (a, _, b) in enumerate(cells)], ["id", "vector", "text"])
    yield "numpy.csv", table([[WORDS[i], listed(MATRIX[i], "\n  ").replace(".0", "."), TEXTS[i]] for i in range(ROWS)], ["id", "emb", "text"])
    yield "braces.csv", table([[a, "{" + b[1:-1] + "}", c] for a, b, c in cells], ["id", "v", "text"])
    yield "semicolon.csv", table(cells, ["id", "embedding", "text"], ";")
    yield "bar.csv", table(cells, ["id", "embedding", "text"], "|")
    yield "tab.tsv", table(cells, ["id", "embedding", "text"], "\t")
    yield "tab-columns.tsv", table(spread, ["id", *columns, "text"], "\t")
    yield "blank-lines.csv", table(cells, ["id", "embedding", "text"]).replace("id,", "\n\nid,", 1) + "\n\n"
    yield "text.emb", f"{ROWS} {DIM}\n" + words()
    yield "text-crlf.emb", f"{ROWS} {DIM}\r\n" + words().replace("\n", "\r\n")
    yield "text-padded.emb", f"{ROWS}         {DIM}\n\n" + words() + "\n"
    yield "space-at-end.vec", f"{ROWS} {DIM}\n" + words(tail=" ")
    yield "words.txt", words()
    yield "tabs.txt", words("\t")
    yield "no-last-newline.txt", words()[:-1]
    yield "spaces.emb", f"{ROWS} {DIM}\n" + words(names=[". .", "the 1", ". . .", "at name@domain.com", "x"])
    yield "spaces.txt", words(names=["x", "the 1", ". . .", "at name@domain.com", ". ."])


def bad():
    first = lines(records())
    yield "not-finished.jsonl", first + '{"id":1,"embedding":[1,2,3\n{"id":2}\n'
    yield "cut.jsonl", first[:-40]
    yield "nan.jsonl", first + '{"embedding":[1,2,NaN,4,5,6]}\n'
    yield "null.jsonl", first + '{"embedding":[1,2,null,4,5,6]}\n'
    yield "null-vector.jsonl", first + '{"embedding":null}\n'
    yield "no-vector.jsonl", first + '{"id":"x"}\n'
    yield "twice.jsonl", first + '{"embedding":[1,2,3,4,5,6],"embedding":[1,2,3,4,5,6]}\n'
    yield "fewer.jsonl", first + '{"embedding":[1,2,3,4,5]}\n'
    yield "more.jsonl", first + '{"embedding":[1,2,3,4,5,6,7]}\n'
    yield "nested.jsonl", first + '{"embedding":[[1,2,3,4,5,6]]}\n'
    yield "strings.jsonl", first + '{"embedding":["1","2","3","4","5","6"]}\n'
    yield "words.jsonl", first + "hello\n"
    yield "array-row.jsonl", first + "[1,2,3,4,5,6]\n"
    yield "two-a-line.jsonl", first + '{"embedding":[1,2,3,4,5,6]} {"embedding":[1,2,3,4,5,6]}\n'
    yield "comma-last.jsonl", first + '{"embedding":[1,2,3,4,5,6],}\n'
    yield "zero-leads.jsonl", first + '{"embedding":[01,2,3,4,5,6]}\n'
    yield "utf8.jsonl", first.encode() + b'{"embedding":[1,2,3,4,5,6],"text":"\xff"}\n'
    yield "control.jsonl", first + '{"embedding":[1,2,3,4,5,6],"text":"a\tb"}\n'
    yield "base64-short.jsonl", lines(records(b64)) + '{"embedding":"AACAPw=="}\n'
    yield "base64-stray.jsonl", lines(records(b64)) + json.dumps({"embedding": b64(MATRIX[0])[:-1] + "-"}) + "\n"
    yield "none.jsonl", '{"id":1,"text":"no vector"}\n'
    yield "empty-vector.jsonl", '{"id":1,"embedding":[]}\n'
    yield "deep.jsonl", first + '{"embedding":[1,2,3,4,5,6],"x":' + "[" * 100 + "]" * 100 + "}\n"
    yield "not-closed.json", json.dumps(records())[:-1]
    yield "garbage-after.json", json.dumps(records()) + "x"
    yield "body-cut.json", json.dumps(body(MATRIX))[:-30]
    yield "body-error.jsonl", json.dumps(body(MATRIX)) + '\n{"error":{"message":"rate limit"}}\n'
    yield "body-broken.json", json.dumps(body(MATRIX), indent=1).replace('"index": 3', '"index" 3')
    head = "id,embedding\n" + "".join(f'{i},"{listed(row)}"\n' for i, row in enumerate(MATRIX))
    spread = "id," + ",".join(f"v{i}" for i in range(DIM)) + "\n" + "".join(f"w{i}," + listed(r)[1:-1] + "\n" for i, r in enumerate(MATRIX))
    yield "quote-open.csv", head + '9,"[1,2,3,4,5,6]\n'
    yield "quote-inside.csv", head + '9,"[1,2,3,4,5,6]"x\n'
    yield "cells-fewer.csv", head + "9\n"
    yield "cells-more.csv", head + '9,"[1,2,3,4,5,6]",7\n'
    yield "list-fewer.csv", head + '9,"[1,2,3,4,5]"\n'
    yield "list-word.csv", head + '9,"[1,2,x,4,5,6]"\n'
    yield "list-open.csv", head + '9,"[1,2,3,4,5,6"\n'
    yield "list-dots.csv", head + '9,"[1 2 ... 5 6]"\n'
    yield "list-empty.csv", head + "9,\n"
    yield "column-word.csv", spread + "w9,1,2,x,4,5,6\n"
    yield "column-bytes.csv", spread.encode() + b"w9,1,2,\xc3\x1b,4,5,6\n"
    yield "column-empty.csv", spread + "w9,1,2,,4,5,6\n"
    yield "column-more.csv", spread + "w9,1,2,3,4,5,6,7\n"
    yield "no-vector.csv", "id,text\na,b\n"
    yield "header-only.csv", "id,embedding\n"
    yield "blank.csv", "\n\n\r\n"
    yield "rows-fewer.emb", f"{ROWS + 1} {DIM}\n" + words()
    yield "rows-more.emb", f"{ROWS - 1} {DIM}\n" + words()
    yield "rows-absurd.emb", f"99999999999999999 {DIM}\n" + words()
    yield "numbers-fewer.emb", f"{ROWS + 1} {DIM}\n" + words() + "x 1 2 3\n"
    yield "numbers-word.emb", f"{ROWS + 1} {DIM}\n" + words() + "x 1 2 y 4 5 6\n"
    yield "numbers-bytes.emb", (f"{ROWS + 1} {DIM}\n" + words()).encode() + b"\xe6\x9d 1 2 3 4 5\n"
    yield "numbers-glued.emb", f"{ROWS + 1} {DIM}\n" + words() + "x 1 2 3,4 4 5 6\n"
    yield "numbers-only.vec", f"{ROWS + 1} {DIM}\n" + words() + "1 2 3 4 5 6\n"
    yield "numbers-fewer.txt", words() + "x 1 2 3 4 5\n"
    yield "word-alone.txt", words() + "x\n"


for folder, files in (("good", good()), ("bad", bad())):
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files:
        content = content if isinstance(content, bytes) else content.encode()
        (ROOT / folder / f"text-{name}").write_bytes(content)
