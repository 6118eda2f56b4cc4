"""vecna train clip, and what runs its models: embed --images, search --text, eval zeroshot."""

import json
import struct
import zlib

import numpy
import pytest

from conftest import run

PLACES = ["top", "high", "middle", "low", "bottom"]
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220), "yellow": (240, 210, 40), "black": (20, 20, 20)}


def write_png(path, pixels, wide=False):
    """Gray, RGB or RGBA of 8 bits; wide: of 16."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2") * 257 if wide else pixels

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16 if wide else 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def bar(colour, place, noise, size=20):
    """A bar on white, somewhere in one fifth of the height."""
    picture = numpy.full((size, size, 3), 255, "u1")
    top = PLACES.index(place) * size // 5
    picture[top:top + size // 5, 2:-2] = COLOURS[colour]
    return (picture.astype(int) - noise.integers(0, 20, picture.shape)).clip(0, 255).astype("u1")


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """25 kinds of bars, four of each in files with their captions; one kind in five was never seen together with its text."""
    folder = tmp_path_factory.mktemp("bars")
    noise = numpy.random.default_rng(1)
    (folder / "pictures").mkdir()
    lines = []
    for i, colour in enumerate(COLOURS):
        for j, place in enumerate(PLACES):
            for copy in range(4):
                name = f"{colour}-{place}-{copy}.png"
                write_png(folder / "pictures" / name, bar(colour, place, noise))
                if (i + j) % 5:
                    lines.append(f"{name}\ta {colour} bar at the {place}")
    (folder / "pictures" / "captions.tsv").write_text("\n".join(lines) + "\n")
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def model(bars):
    report = json.loads(run("train", "clip", bars / "pictures" / "captions.tsv", "-o", bars / "m.vecna", "--size", "20x20", "--batch", 40,
                            "--epochs", 40, "--threads", 1, "--json").out)
    assert report["method"] == "clip" and report["pairs"] == 80 and report["pictures"] == 80 and report["texts"] == 20
    assert report["pairs_trained"] == 40 * (80 - report["held_out"]) and report["held_out"] % 4 == 0
    assert (report["height"], report["width"], report["channels"]) == (20, 20, 3)
    assert report["loss"] < 1.5 and 0.01 <= report["temperature"] < 0.2
    assert not (bars / "m.vecna.checkpoint").exists()
    return bars / "m.vecna"


def test_texts_find_pictures_that_were_never_named(vecna, bars, model):
    """The five kinds without captions are put together from their colour and their place."""
    found = 0
    for i, colour in enumerate(COLOURS):
        place = PLACES[-i % 5]
        hits = json.loads(vecna("search", bars / "pictures", "--model", model, "--text", f"a {colour} bar at the {place}", "-k", 4, "--json").out)
        assert hits["rows"] == 100 and hits["queries"][0]["text"] == f"a {colour} bar at the {place}"
        found += sum(hit["id"].startswith(f"{colour}-{place}-") for hit in hits["queries"][0]["hits"])
    assert found >= 12  # of 20; 0.8 by chance


def test_pictures_are_embedded_with_their_names(vecna, bars, model, tmp_path):
    vecna("embed", "--images", bars / "pictures", "--model", model, "-o", tmp_path / "p.jsonl")
    rows = [json.loads(line) for line in open(tmp_path / "p.jsonl")]
    assert [row["id"] for row in rows] == sorted(path.name for path in (bars / "pictures").glob("*.png"))
    vectors = numpy.array([row["embedding"] for row in rows])
    assert abs(numpy.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    # the file of vectors is searched as the folder is, by two texts at once
    ask = ("--model", model, "--text", "a red bar at the top", "--text", "a blue bar at the low", "-k", 3, "--json")
    by_folder, by_file = (json.loads(vecna("search", corpus, *ask).out) for corpus in (bars / "pictures", tmp_path / "p.jsonl"))
    for a, b in zip(by_folder["queries"], by_file["queries"]):
        assert [hit["id"] for hit in a["hits"]] == [hit["id"] for hit in b["hits"]]
    assert "red-top-" in vecna("search", bars / "pictures", "--model", model, "-t", "a red bar at the top", "-k", 1).out
    # one array of the same pixels gives the same vectors, rows for names
    noise = numpy.random.default_rng(1)
    kinds = [(colour, place, copy) for colour in COLOURS for place in PLACES for copy in range(4)]
    pixels = {f"{colour}-{place}-{copy}.png": bar(colour, place, noise) for colour, place, copy in kinds}
    numpy.save(tmp_path / "p.npy", numpy.array([pixels[row["id"]] for row in rows]))
    report = json.loads(vecna("embed", "--images", tmp_path / "p.npy", "--model", model, "-o", tmp_path / "v.npy", "--json").out)
    assert report["rows"] == 100 and report["dim"] == 256
    assert abs(numpy.load(tmp_path / "v.npy") - vectors).max() < 1e-5
    # texts run as with any static model
    (tmp_path / "t.txt").write_text("a red bar at the top\n")
    vecna("embed", tmp_path / "t.txt", "--model", model, "-o", tmp_path / "t.npy")
    best = (vectors @ numpy.load(tmp_path / "t.npy")[0]).argmax()
    assert rows[best]["id"].startswith("red-top-")


def test_zeroshot(vecna, bars, model, tmp_path):
    names = sorted(path.name for path in (bars / "pictures").glob("*.png"))
    (tmp_path / "labels.txt").write_text("".join(name.split("-")[0] + "\n" for name in names))
    report = json.loads(vecna("eval", "zeroshot", bars / "pictures", "--model", model, "--labels", tmp_path / "labels.txt", "--template",
                              "a {} bar at the top", "--template", "a {} bar at the low", "--template", "a {} bar", "--json").out)
    assert report["pictures"] == 100 and report["classes"] == 5
    assert report["accuracy"]["value"] > 0.7 and report["accuracy"]["low"] > report["chance"] == 0.2
    assert report["most_frequent"] == 0.2 and report["among_best_5"]["value"] == 1
    (tmp_path / "classes.txt").write_text("red\ngreen\n\nblue\n")
    text = vecna("eval", "zeroshot", bars / "pictures", "--model", model, "--labels", tmp_path / "labels.txt", "--classes",
                 tmp_path / "classes.txt", "-o", tmp_path / "found.tsv")
    assert "40 pictures have labels that --classes does not name" in text.err and "chance 0.333" in text.out
    rows = [line.split("\t") for line in (tmp_path / "found.tsv").read_text().splitlines()]
    assert [row[2] for row in rows] == names and {row[0] for row in rows} <= {"red", "green", "blue"}
    assert all(1 / 3 - 1e-3 <= float(row[1]) <= 1 for row in rows)
    right = [row[0] == row[2].split("-")[0] for row in rows if row[2].split("-")[0] in ("red", "green", "blue")]
    assert sum(right) > 0.6 * len(right)


def test_the_same_again_and_from_a_checkpoint(vecna, bars, tmp_path):
    options = ("train", "clip", bars / "pictures" / "captions.tsv", "-o", tmp_path / "m.vecna", "--size", "16x16", "--batch", 40, "--threads", 2)
    vecna(*options, "--epochs", 4)
    first = (tmp_path / "m.vecna").read_bytes()
    vecna(*options, "--epochs", 4)
    assert (tmp_path / "m.vecna").read_bytes() == first
    vecna(*options, "--epochs", 4, "--seed", 2)
    assert (tmp_path / "m.vecna").read_bytes() != first
    assert "m.vecna.checkpoint" in vecna(*options, "--epochs", 4, "--resume", status=1).err
    # going on from a model takes its tower and its size
    report = json.loads(vecna("train", "clip", bars / "pictures" / "captions.tsv", "-o", tmp_path / "n.vecna", "--from", tmp_path / "m.vecna",
                              "--epochs", 1, "--json").out)
    assert report["height"] == 16
    # a table that stays: texts as the built-in model has them
    vecna(*options, "--epochs", 2, "--frozen-text", "--float16", "--shift", 0, "--mirror")
    (tmp_path / "t.txt").write_text("a red bar\n")
    vecna("embed", tmp_path / "t.txt", "-o", tmp_path / "a.npy")
    vecna("embed", tmp_path / "t.txt", "-o", tmp_path / "b.npy", "--model", tmp_path / "m.vecna")
    assert numpy.load(tmp_path / "a.npy")[0] @ numpy.load(tmp_path / "b.npy")[0] > 0.9999
    assert "knows texts alone" not in vecna("embed", "--images", bars / "pictures", "--model", tmp_path / "m.vecna", "-o", tmp_path / "c.npy").err


def test_pictures_of_any_kind(vecna, model, tmp_path):
    """What a PNG lets through is white; 16 bits, gray and other sizes are brought to what the tower takes."""
    noise = numpy.random.default_rng(3)
    plain = bar("red", "top", noise)
    clear = numpy.concatenate([plain, numpy.where((plain < 250).any(2, keepdims=True), 255, 0).astype("u1")], 2)
    clear[..., :3][clear[..., 3] == 0] = (0, 255, 0)
    shown = numpy.where(clear[..., 3:] == 255, plain, 255).astype("u1")
    large = shown.repeat(3, 0).repeat(3, 1)
    gray = shown[..., :1]
    folder = tmp_path / "kinds"
    folder.mkdir()
    write_png(folder / "a-shown.png", shown)
    write_png(folder / "b-clear.png", clear)
    write_png(folder / "c-large.PNG", large)
    write_png(folder / "d-wide.png", shown, wide=True)
    write_png(folder / "e-gray.png", gray)
    write_png(folder / "f-gray.png", gray.repeat(3, 2))
    vecna("embed", "--images", folder, "--model", model, "-o", tmp_path / "v.npy")
    rows = numpy.load(tmp_path / "v.npy")
    assert abs(rows[1:4] - rows[0]).max() < 1e-5
    assert abs(rows[5] - rows[4]).max() < 1e-5 < abs(rows[4] - rows[0]).max()
    vecna("embed", "--images", folder / "a-shown.png", "--model", model, "-o", tmp_path / "one.npy")
    assert abs(numpy.load(tmp_path / "one.npy")[0] - rows[0]).max() < 1e-5


def recall(texts, pictures):
    scores = texts @ pictures.T
    ranks = (scores >= numpy.diag(scores)[:, None]).sum(1)
    return (ranks <= 10).mean(), (1 / ranks).mean()


def kind_of(category):
    """The name of a kind of emoji, of the kinds whose names are plain words; otherwise None."""
    kinds = {"clothing": "clothing", "time": "clock", "cat-face": "face", "family": "person", "country-flag": "flag", "flag": "flag"}
    first = category.split("-")[0]
    return kinds.get(category, first if first in ("face", "animal", "food", "person") else None)


def test_emoji_that_were_held_out(vecna, shared, tmp_path):
    """163 pictures whose names nothing was trained on. Chance finds 6 % of them among the first ten; a linear map from pixels
    to the built-in model's vectors of the names, which is hard to beat with 1,470 pictures, 47 %."""
    images = shared / "images" / "emoji.twemoji.32x32x3.npy"
    rows = [json.loads(line) for line in open(shared / "images" / "emoji.captions.jsonl")]
    pixels = numpy.load(images)
    order = numpy.random.default_rng(0).permutation(len(rows))
    held, fitted = order[:163], sorted(order[163:])
    with open(tmp_path / "p.jsonl", "w") as file:
        for i in fitted:
            name, tags = rows[i]["annotation"], rows[i]["tags"]
            for text in dict.fromkeys([name, f"{name}, {tags}" if tags else name]):
                file.write(json.dumps({"row": int(i), "text": text}) + "\n")
    (tmp_path / "all.txt").write_text("".join(row["annotation"] + "\n" for row in rows))
    (tmp_path / "held.txt").write_text("".join(rows[i]["annotation"] + "\n" for i in held))
    vecna("embed", tmp_path / "all.txt", "-o", tmp_path / "all.npy")
    texts = numpy.load(tmp_path / "all.npy")
    small = pixels.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(len(rows), -1) / 255
    x, y = small - small[fitted].mean(0), texts - texts[fitted].mean(0)
    weights = numpy.linalg.solve(x[fitted].T @ x[fitted] + numpy.eye(x.shape[1]), x[fitted].T @ y[fitted])
    mapped = x[held] @ weights + texts[fitted].mean(0)
    linear = recall(texts[held], mapped / numpy.linalg.norm(mapped, axis=1, keepdims=True))

    report = json.loads(vecna("train", "clip", tmp_path / "p.jsonl", "--images", images, "--image-field", "row", "-o", tmp_path / "m.vecna",
                              "--epochs", 8, "--threads", 2, "--json", "--checkpoint", 0).out)
    assert report["pictures"] == len(fitted) and (report["height"], report["channels"]) == (32, 3)
    own = report["text_to_picture"]
    assert own["recall_at_10"]["low"] > 2 * own["chance_at_10"]
    assert report["picture_to_text"]["recall_at_10"]["low"] > 2 * report["picture_to_text"]["chance_at_10"]
    numpy.save(tmp_path / "held.npy", pixels[held])
    vecna("embed", "--images", tmp_path / "held.npy", "--model", tmp_path / "m.vecna", "-o", tmp_path / "pictures.npy")
    vecna("embed", tmp_path / "held.txt", "--model", tmp_path / "m.vecna", "-o", tmp_path / "texts.npy")
    found = recall(numpy.load(tmp_path / "texts.npy"), numpy.load(tmp_path / "pictures.npy"))
    assert 0.4 < linear[0] < 0.55
    assert found[0] > max(0.52, linear[0]) and found[1] > max(0.3, linear[1])  # 0.63 and 0.35 when this was written
    # kinds of things, by their names alone
    kinds = [kind_of(rows[i]["subcategory"]) for i in held]
    numpy.save(tmp_path / "kinds.npy", pixels[[i for i, kind in zip(held, kinds) if kind]])
    (tmp_path / "kinds.txt").write_text("".join(kind + "\n" for kind in kinds if kind))
    zero = json.loads(vecna("eval", "zeroshot", tmp_path / "kinds.npy", "--model", tmp_path / "m.vecna", "--labels", tmp_path / "kinds.txt",
                            "--json").out)
    assert zero["classes"] == 7 and zero["accuracy"]["value"] > zero["most_frequent"] and zero["accuracy"]["low"] > 1.8 * zero["chance"]


def test_mistakes(vecna, bars, model, tmp_path):
    out = tmp_path / "m.vecna"
    pairs = tmp_path / "p.tsv"
    picture = bar("red", "top", numpy.random.default_rng(1))
    write_png(tmp_path / "a.png", picture)
    write_png(tmp_path / "b.png", picture)

    def train(text, *options, status=1):
        pairs.write_text(text)
        return vecna("train", "clip", pairs, "-o", out, *options, status=status).err

    assert "missing.png" in train("a.png\tone\nmissing.png\ttwo\n")
    (tmp_path / "c.png").write_bytes(b"GIF89a" * 20)
    assert "c.png is no PNG" in train("a.png\tone\nc.png\ttwo\n")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "c.png").write_bytes(whole[:200])
    assert "damaged" in train("a.png\tone\nc.png\ttwo\n")
    (tmp_path / "c.png").write_bytes(whole[:16] + struct.pack(">II", 16000, 16000) + whole[24:])
    assert "16000 x 16000" in train("a.png\tone\nc.png\ttwo\n")
    assert "two are needed" in train("a.png\tone\n")
    assert "third column" in train("a.png\tone\tmore\nb.png\ttwo\n")
    assert "line 2" in train("a.png\tone\nb.png\n")
    assert "--image-field" in train('{"picture":"a.png","text":"one"}\n')
    numpy.save(tmp_path / "x.npy", numpy.zeros((2, 8, 8, 3), "u1"))
    assert '"2"; ' in train("0\tone\n2\ttwo\n", "--images", tmp_path / "x.npy")
    assert '"a.png"' in train("0\tone\na.png\ttwo\n", "--images", tmp_path / "x.npy")
    numpy.save(tmp_path / "x.npy", numpy.full((2, 8, 8), 0.5, "f4"))
    assert "astype('uint8')" in train("0\tone\n1\ttwo\n", "--images", tmp_path / "x.npy")
    numpy.save(tmp_path / "x.npy", numpy.zeros((2, 8, 8, 4), "u1"))
    assert "(count, height, width, 3)" in train("0\tone\n1\ttwo\n", "--images", tmp_path / "x.npy")
    numpy.save(tmp_path / "x.npy", numpy.zeros((2, 64), "u1"))
    assert "holds no pictures" in train("0\tone\n1\ttwo\n", "--images", tmp_path / "x.npy")
    assert "--size takes" in train("a.png\tone\nb.png\ttwo\n", "--size", "3x3", status=2)
    assert "exclude" in train("a.png\tone\nb.png\ttwo\n", "--frozen-text", "--text-rate", "0.1", status=2)
    assert "0.01" in train("a.png\tone\nb.png\ttwo\n", "--temperature", "0.001", status=2)
    assert not out.exists()
    assert "knows texts alone" in vecna("embed", "--images", tmp_path, "-o", tmp_path / "v.npy", status=1).err
    (tmp_path / "empty").mkdir()
    assert "has no .png" in vecna("embed", "--images", tmp_path / "empty", "--model", model, "-o", tmp_path / "v.npy", status=1).err
    assert "--images goes without" in vecna("embed", pairs, "--images", tmp_path, "-o", tmp_path / "v.npy", status=2).err
    assert "--model goes with --text" in vecna("search", pairs, pairs, "--model", model, status=2).err
    assert "--text asks CORPUS alone" in vecna("search", pairs, pairs, "--text", "x", status=2).err
    assert "knows texts alone" in vecna("search", tmp_path, "--text", "x", status=1).err
    assert "has {} where" in vecna("eval", "zeroshot", tmp_path, "--model", model, "--labels", pairs, "--template", "x", status=2).err
    assert "--classes and -o" in vecna("eval", "zeroshot", tmp_path, "--model", model, status=2).err
    pairs.write_text("red\nred\n")
    assert "more than once" in vecna("eval", "zeroshot", bars / "pictures", "--model", model, "--classes", pairs, "-o", tmp_path / "f.tsv",
                                     status=1).err
    assert not (tmp_path / "v.npy").exists() and not (tmp_path / "f.tsv").exists()


def test_chance_knows_how_many_pictures_belong_to_a_text(vecna, tmp_path):
    """Two pictures a text: one of both among ten is more likely than one of one."""
    pixels = numpy.random.default_rng(3).integers(0, 256, (1600, 8, 8, 1), dtype=numpy.uint8)
    numpy.save(tmp_path / "pixels.npy", pixels)
    (tmp_path / "pairs.tsv").write_text("".join(f"{i}\tthing number {i // 2}\n" for i in range(1600)))
    report = vecna("train", "clip", tmp_path / "pairs.tsv", "--images", tmp_path / "pixels.npy", "-o", tmp_path / "m.vecna", "--epochs", 1,
                   "--checkpoint", 0, "--json").json()
    pictures = report["held_out"]
    texts = pictures // 2
    assert pictures % 2 == 0 and texts > 20
    wanted = 1 - (pictures - 10) * (pictures - 11) / (pictures * (pictures - 1))
    assert abs(report["text_to_picture"]["chance_at_10"] - wanted) < 1e-9
    assert abs(report["picture_to_text"]["chance_at_10"] - 10 / texts) < 1e-9
