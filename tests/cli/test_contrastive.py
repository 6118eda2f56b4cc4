"""vecna train contrastive: a model that puts together what belongs together, better than the one it started from."""

import json

import numpy
import pytest

from conftest import ROOT

# What a word means beside what it is for: pairs that no word links.
THINGS = ["river", "bread", "engine", "violin", "winter", "doctor", "garden", "letter", "candle", "bridge",
          "mirror", "ladder", "pocket", "island", "desert", "market", "castle", "needle", "basket", "feather"]
SAY = ["people speak about the {}", "a picture of a {}", "nobody has seen my {}", "they sell the old {}"]
CODE = ["entry {} of the list", "see number {}", "catalogue {}"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The i-th thing belongs to the i-th number: nothing but training can know."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    lines = [f"{say.format(thing)}\t{code.format(100 + 7 * i)}" for i, thing in enumerate(THINGS) for say in SAY for code in CODE]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_belongs_together_is_found(vecna, pairs, tmp_path):
    """A thing is held out with all its pairs, and cannot be known; the others must be. A broken trainer stays near chance."""
    out = tmp_path / "m.vecna"
    options = ("train", "contrastive", pairs, "-o", out, "--batch", 64, "--epochs", 40, "--rate", 0.2, "--json", "--checkpoint", 0)
    report = json.loads(vecna(*options, "--threads", 1).out)
    assert report["pairs"] == 240 and report["held_out"] % 12 == 0 and report["held_out"] < 60
    assert report["pairs_trained"] == 40 * (240 - report["held_out"]) and report["loss"] < 2.5
    first = out.read_bytes()
    json.loads(vecna(*options, "--threads", 2).out)
    assert out.read_bytes() == first  # on any number of threads
    texts = [SAY[0].format(thing) for thing in THINGS] + [CODE[0].format(100 + 7 * i) for i in range(len(THINGS))]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    found = []
    for model in (out, "builtin"):
        extra = ("--model", model) if model is out else ()
        vecna("embed", tmp_path / "t.txt", "-o", tmp_path / "v.npy", *extra)
        rows = numpy.load(tmp_path / "v.npy")
        scores = rows[:20] @ rows[20:].T
        found.append((scores.argmax(1) == numpy.arange(20)).mean())
        (tmp_path / "v.npy").unlink()
    assert found[0] >= 0.7 and found[1] <= 0.3


def held_out(vecna, path, lines, seed):
    path.write_text("".join(f"{a}\t{b}\n" for a, b in lines))
    return json.loads(vecna("train", "contrastive", path, "-o", path.with_suffix(".vecna"), "--fresh", "--dim", 8, "--epochs", 1, "--batch", 512,
                            "--checkpoint", 0, "--seed", seed, "--json").out)["held_out"]


def test_groups_are_held_out_whole(vecna, tmp_path):
    """A group stays on one side: one of more than a tenth of all pairs is trained on, and the most that is held out cuts none."""
    hub = [("the one that all others go with", f"number {i}") for i in range(120)] + [(f"single {i}", f"alone {i}") for i in range(80)]
    counts = [held_out(vecna, tmp_path / "hub.tsv", hub, seed) for seed in range(1, 9)]
    assert max(counts) < 40 and sum(count > 0 for count in counts) >= 6, counts
    sevens = [(f"anchor {i}", f"text {i} {k}") for i in range(7000) for k in range(7)]
    count = held_out(vecna, tmp_path / "sevens.tsv", sevens, 1)
    assert count % 7 == 0 and 1990 < count <= 2000


def test_held_out_pairs_gain(vecna, tmp_path):
    """Definitions cut in two, from a random start: halves that were not trained on find each other better than before."""
    texts = [json.loads(line)["text"].split() for line in open(ROOT / "examples" / "glosses" / "pairs.jsonl")]
    halves = [(" ".join(t[::2]), " ".join(t[1::2])) for t in texts if len(t) >= 6]
    with open(tmp_path / "p.jsonl", "w") as file:
        for a, b in halves:
            file.write(json.dumps({"q": a, "a": b}) + "\n")
    report = json.loads(vecna("train", "contrastive", tmp_path / "p.jsonl", "-o", tmp_path / "m.vecna", "--anchor-field", "q",
                              "--positive-field", "a", "--fresh", "--dim", 64, "--matryoshka", "32,16", "--batch", 256, "--chunk", 100,
                              "--epochs", 8, "--rate", 0.3, "--json").out)
    assert report["pairs"] == len(halves) and report["dim"] == 64 and report["held_out"] > 10
    assert report["mrr"]["value"] >= 0 and report["gain"]["low"] <= report["gain"]["high"]
    text = vecna("train", "contrastive", tmp_path / "p.jsonl", "-o", tmp_path / "m.vecna", "--anchor-field", "q", "--positive-field", "a",
                 "--epochs", 2).out
    assert "held out" in text and "gain" in text


def test_mistakes(vecna, tmp_path):
    out = tmp_path / "m.vecna"
    (tmp_path / "one.tsv").write_text("a\tb\n")
    assert "two are needed" in vecna("train", "contrastive", tmp_path / "one.tsv", "-o", out, status=1).err
    (tmp_path / "flat.tsv").write_text("a\tb\nalone\n")
    assert "line 2" in vecna("train", "contrastive", tmp_path / "flat.tsv", "-o", out, status=1).err
    (tmp_path / "empty.tsv").write_text("a\tb\n\tc\n")
    assert "line 2: an empty text" in vecna("train", "contrastive", tmp_path / "empty.tsv", "-o", out, status=1).err
    (tmp_path / "named.jsonl").write_text('{"anchor":"a"}\n')
    assert "positive" in vecna("train", "contrastive", tmp_path / "named.jsonl", "-o", out, status=1).err
    (tmp_path / "two.tsv").write_text("a river\tits bank\na house\tits door\n")
    for second, words in (('[1, 2]', "line 2: not a JSON object"), ('"x"', "line 2: not a JSON object"), ('{"anchor": "a", "positive": "b"} x', "line 2")):
        (tmp_path / "odd.jsonl").write_text('{"anchor": "a", "positive": "b"}\n' + second + "\n")
        assert words in vecna("train", "contrastive", tmp_path / "odd.jsonl", "-o", out, status=1).err
    for same in (("--anchor-field", "t", "--positive-field", "t"), ("--anchor-field", "positive"), ("--positive-field", "negative")):
        assert "is named twice" in vecna("train", "contrastive", tmp_path / "odd.jsonl", "-o", out, *same, status=1).err
    assert "--dim 7" in vecna("train", "contrastive", tmp_path / "two.tsv", "-o", out, "--dim", 7, status=1).err
    assert "size 4000" in vecna("train", "contrastive", tmp_path / "two.tsv", "-o", out, "--matryoshka", "4000", status=1).err
    assert "commas" in vecna("train", "contrastive", tmp_path / "two.tsv", "-o", out, "--matryoshka", "4,x", status=2).err
    assert not out.exists()


def test_a_batch_that_memory_cannot_hold_is_refused_before_work(vecna, tmp_path):
    """Its similarities are 8 bytes a pair of pairs: 300 GB here; in chunks they fit."""
    path = tmp_path / "many.tsv"
    path.write_text("".join(f"word {i}\tnumber {i}\n" for i in range(200_000)))
    err = vecna("train", "contrastive", path, "-o", tmp_path / "m.vecna", "--batch", 200_000, status=1).err
    assert "GB of memory" in err and "--chunk" in err and not (tmp_path / "m.vecna").exists()
