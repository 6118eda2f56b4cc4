"""vecna distill and embed --model: pieces as the tokenizers library has them, the table as a float64 twin solves
it, and the built-in model."""

import json
import pathlib

import numpy
import pytest
import safetensors.numpy
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "MiniLM-static.vecna"
ODD = [
    "Café naïve résumé — “quotes”, don't!", "ﬁligree Ｆｕｌｌ width", "東京 and 서울 and Москва", "a\u200bb\u00adc \ufeff d", "İstanbul straße ΣΊΣΥΦΟΣ",
    "x" * 101, "y" * 100, "1,234.56 $9 50%", "e\u0301a\u0308 n\u0303", "\U0001F600 smile \U0001D538", "tab\tand\u00a0space\u3000wide", "ـعَرَبِيّ שָׁלוֹם",
    "##ing", "unaffable unbelievableness", "…", "a" + "\u0301" * 30,
]


def parts(path):
    tensors = safetensors.numpy.load_file(path)
    vocabulary = tensors["vocabulary"].tobytes().decode().splitlines()
    table = tensors["embeddings"].astype("f8")
    return vocabulary, table * tensors["scales"][:, None] if "scales" in tensors else table


def tokenizer(vocabulary):
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return lambda text: [i for i in made.encode(text, add_special_tokens=False).ids if vocabulary[i] != "[UNK]"]


def unit(rows):
    lengths = numpy.linalg.norm(rows, axis=1, keepdims=True)
    return numpy.divide(rows, lengths, out=numpy.zeros_like(rows), where=lengths > 0)


def embed(vecna, folder, texts, *options):
    (folder / "t.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    vecna("embed", folder / "t.jsonl", "-o", folder / "t.npy", *options)
    return numpy.load(folder / "t.npy")


def test_pieces_are_those_of_the_tokenizers_library(vecna, tmp_path, examples):
    texts = ODD + [json.loads(x)["text"] for name in ("glosses/corpus", "docs/new", "support/test") for x in (examples / f"{name}.jsonl").open()]
    vocabulary, table = parts(MODEL)
    ids = tokenizer(vocabulary)
    wanted = unit(numpy.array([table[ids(text)].sum(0) for text in texts]))
    got = embed(vecna, tmp_path, texts)
    for text, a, b in zip(texts, wanted, got):
        assert numpy.allclose(a, b, atol=1e-5), text


def test_the_built_in_model_knows_what_is_alike(vecna, tmp_path):
    got = embed(vecna, tmp_path, ["a man is dancing", "a person dances", "the stock market fell", "shares lost value"])
    cosines = got @ got.T
    assert cosines[0, 1] > 0.5 > cosines[0, 2] + 0.3 and cosines[2, 3] > cosines[0, 3] + 0.2


def twin(vocabulary, pieces, texts, targets, dim, rarity=3e-4, ridge=0.1):
    """The table in float64, by solving the normal equations outright."""
    ids = tokenizer(vocabulary)
    fit = [i for i in range(len(texts)) if i % 20 != 19]
    bags = [ids(t) for t in texts]
    counts = numpy.bincount([j for i in fit for j in bags[i]], minlength=len(vocabulary))
    weight = (rarity / (rarity + counts / counts.sum())).astype("f4").astype("f8")
    x = numpy.zeros((len(texts), len(vocabulary)))
    for i, bag in enumerate(bags):
        for j in bag:
            x[i, j] += weight[j] / len(bag)
    e, y = pieces - pieces.mean(0), targets - targets.mean(0)
    base = x[fit] @ e
    e = e * ((base * y[fit]).sum() / (base * base).sum())
    normal = x[fit].T @ x[fit] + ridge * numpy.eye(len(vocabulary))
    table = e + numpy.linalg.solve(normal, x[fit].T @ (y[fit] - x[fit] @ e))
    fitted = x[fit] @ table
    values, vectors = numpy.linalg.eigh(fitted.T @ fitted)
    basis = vectors[:, ::-1][:, :dim]
    held = [i for i in range(len(texts)) if i % 20 == 19 and bags[i]]
    a = x[held] @ table
    cosine = (unit(a) * unit(y[held])).sum(1).mean()
    return weight[:, None] * (table @ basis), cosine, values[::-1][:dim].sum() / values.sum()


@pytest.fixture
def teacher(tmp_path):
    rng = numpy.random.default_rng(2)
    vocabulary = ["[UNK]", "[CLS]", *"abcdefghijklmnopqrstuvwxyz", *("##" + c for c in "abcdefghij"), "one", "two", "##ly"]
    pieces = rng.normal(size=(len(vocabulary), 20)).astype("f4")
    texts = [" ".join(rng.choice([*"abcdefghijklmnop", "onely", "two", "abc", "Zaj", "??"], 6)) for _ in range(600)]
    ids = tokenizer(vocabulary)
    truth = pieces + rng.normal(size=pieces.shape)
    targets = numpy.array([truth[ids(t)].mean(0) for t in texts]).astype("f4")
    numpy.save(tmp_path / "pieces.npy", pieces)
    numpy.save(tmp_path / "texts.npy", targets)
    (tmp_path / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n")
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    return tmp_path, vocabulary, pieces.astype("f8"), texts, targets.astype("f8")


def distill(vecna, folder, *options, status=0):
    return vecna("distill", folder / "pieces.npy", "--vocabulary", folder / "vocabulary.txt", "--texts", folder / "texts.txt",
                 "--text-vectors", folder / "texts.npy", "-o", folder / "m.vecna", *options, status=status)


@pytest.mark.parametrize("float16", [False, True])
def test_distilling_agrees_with_its_twin(vecna, teacher, float16):
    folder, vocabulary, pieces, texts, targets = teacher
    got = distill(vecna, folder, "--dim", 12, "--steps", 300, "--json", *(["--float16"] if float16 else [])).json()
    table, cosine, kept = twin(vocabulary, pieces, texts, targets, 12)
    assert got["cosine"] == pytest.approx(cosine, abs=1e-4)  # float32 steps
    assert got["variance_kept"] == pytest.approx(kept, abs=1e-5)
    _, mine = parts(folder / "m.vecna")
    signs = numpy.sign((mine * table).sum(0))
    # a byte a number: half a step of the row's largest; float16: 11 bits
    room = numpy.abs(table).max(1, keepdims=True) * (0.0006 if float16 else 0.0045) + 1e-4
    assert (numpy.abs(mine * signs - table) < room).all()
    rows = embed(vecna, folder, texts, "--model", folder / "m.vecna")
    ids = tokenizer(vocabulary)
    assert numpy.allclose(rows, unit(numpy.array([mine[ids(t)].sum(0) for t in texts])), atol=1e-4)


def test_mistakes(vecna, teacher):
    folder, vocabulary, *_ = teacher
    assert "--vocabulary" in vecna("distill", folder / "pieces.npy", "-o", "x", status=2).err
    assert "cannot be kept" in distill(vecna, folder, "--dim", 21, status=1).err
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary[:-1]) + "\n")
    assert "go together by line" in distill(vecna, folder, status=1).err
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary[1:] + ["more"]) + "\n")
    assert "[UNK]" in distill(vecna, folder, status=1).err
    assert not (folder / "m.vecna").exists()
    assert vecna("embed", folder / "texts.txt", "-o", folder / "x.npy", "--model", ROOT / "LICENSE", status=1).err.startswith("vecna: ")
    assert "--upstream" in vecna("embed", folder / "texts.txt", "-o", folder / "x.npy", "--in-flight", 3, status=2).err


def test_a_static_model_goes_on_where_it_stopped(vecna, tmp_path):
    (tmp_path / "t.txt").write_text("one\ntwo\n\nfour\n")
    refused = vecna("embed", tmp_path / "t.txt", "-o", tmp_path / "t.npy", status=1)
    assert "line 3 is empty" in refused.err and not (tmp_path / "t.npy").exists()
    (tmp_path / "t.txt").write_text("one\ntwo\nthree\nfour\n")
    vecna("embed", tmp_path / "t.txt", "-o", tmp_path / "t.npy", "--prefix", "query: ")
    with_prefix = numpy.load(tmp_path / "t.npy")
    direct = embed(vecna, tmp_path, ["query: one", "query: two", "query: three", "query: four"])
    assert numpy.array_equal(with_prefix, direct)
