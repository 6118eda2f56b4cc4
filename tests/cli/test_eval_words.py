"""vecna eval analogy and similarity against the float64 reference, scipy and gensim."""

import json
import sys

import numpy
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import words_reference as reference  # noqa: E402

RNG = numpy.random.default_rng(9)
WORDS = [f"w{i}" for i in range(300)]
VECTORS = RNG.standard_normal((300, 12)).astype("f4")


@pytest.fixture
def vectors(tmp_path):
    numpy.save(tmp_path / "v.npy", VECTORS)
    (tmp_path / "v.vocab.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path / "v.npy"


@pytest.mark.parametrize("method", ["add", "mul"])
def test_analogies_as_by_definition(vecna, vectors, tmp_path, method):
    questions = RNG.choice(300, (200, 3), replace=True)
    answers = [reference.analogy(VECTORS, *q, method) for q in questions]
    expected = [a if i % 3 else (a + 1) % 300 for i, a in enumerate(answers)]
    lines = [": first"] + [" ".join(WORDS[i] for i in (*q, e)) for q, e in zip(questions[:80], expected)]
    lines += [": gram2-second"] + [" ".join(WORDS[i] for i in (*q, e)) for q, e in zip(questions[80:], expected[80:])]
    lines += ["w1 w2 w3 absent"]
    (tmp_path / "q.txt").write_text("\n".join(lines) + "\n")
    got = vecna("eval", "analogy", vectors, tmp_path / "q.txt", "--method", method, "--json").json()
    right = [a == e for a, e in zip(answers, expected)]
    assert got["total"] == {"name": "total", "right": sum(right), "asked": 200, "total": 201,
                            "nearest_to_c_right": got["total"]["nearest_to_c_right"]}
    assert abs(got["accuracy"]["value"] - sum(right) / 200) < 1e-12
    assert got["accuracy"]["low"] < got["accuracy"]["value"] < got["accuracy"]["high"]
    assert got["semantic"]["right"] == sum(right[:80]) and got["syntactic"]["asked"] == 120
    assert got["accuracy_of_all"] == sum(right) / 201


def test_one_question_in_words(vecna, vectors):
    got = vecna("eval", "analogy", vectors, "w5", "-", "w6", "+", "w7", "-k", 1, "--json").json()["answers"][0]
    assert got["word"] == WORDS[reference.analogy(VECTORS, 6, 5, 7)]
    rows = reference.unit(VECTORS)
    query = rows[5] - rows[6] + rows[7]
    assert abs(got["cosine"] - rows[got["row"]] @ query / numpy.linalg.norm(query)) < 1e-6
    plain = vecna("eval", "analogy", vectors, "w5", "+", "w9", "-k", 3)
    assert len(plain.out.splitlines()) == 4


@pytest.mark.parametrize("given", ["w5", "w5 - w6 + w7"])
def test_half_a_question_in_words(vecna, vectors, given):
    err = vecna("eval", "analogy", vectors, given, status=1).err
    assert f'"{given}" is no file of questions' in err and "A - B + C" in err
    assert "No such file" in vecna("eval", "analogy", vectors, "absent.txt", status=1).err


def test_letters_fold_or_not(vecna, tmp_path):
    numpy.save(tmp_path / "v.npy", numpy.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [1, 1]], "f4"))
    (tmp_path / "v.vocab.txt").write_text("King\nking\nÄrger\närger\nthird\n")
    folded = vecna("eval", "analogy", tmp_path / "v.npy", "KING", "+", "ÄRGER", "--json").json()["answers"]
    assert [one["word"] for one in folded] == ["third"]
    exact = vecna("eval", "analogy", tmp_path / "v.npy", "King", "+", "Ärger", "--letters", "exact", "--json").json()
    assert sorted(one["word"] for one in exact["answers"]) == ["king", "third", "ärger"]
    result = vecna("eval", "analogy", tmp_path / "v.npy", "KING", "+", "x", status=1)
    assert 'no word "x"' in result.err


def test_restricted_vocabulary(vecna, vectors, tmp_path):
    (tmp_path / "q.txt").write_text("w1 w2 w3 w4\nw1 w2 w3 w250\n")
    got = vecna("eval", "analogy", vectors, tmp_path / "q.txt", "--restrict-vocab", 100, "--json").json()
    assert got["total"]["asked"] == 1 and got["total"]["total"] == 2 and got["restricted_to"] == 100


def test_word_pairs(vecna, vectors, tmp_path):
    pairs = RNG.choice(300, (120, 2))
    gold = numpy.round(RNG.standard_normal(120) * 2) / 2  # with ties
    text = "".join(f"{WORDS[a]}\t{WORDS[b]}\t{g}\n" for (a, b), g in zip(pairs, gold))
    (tmp_path / "p.txt").write_text("word1\tword2\tmean\n" + text + "w1\tabsent\t3\n")
    got = vecna("eval", "similarity", vectors, tmp_path / "p.txt", "--json").json()
    rows = reference.unit(VECTORS)
    cosines = (rows[pairs[:, 0]] * rows[pairs[:, 1]]).sum(1)
    assert (got["pairs"], got["asked"], got["unknown"], got["of"]) == (121, 120, 1, "words")
    assert abs(got["cosine"]["spearman"]["value"] - reference.spearman(cosines, gold)) < 1e-6
    assert abs(got["cosine"]["pearson"]["value"] - reference.pearson(cosines, gold)) < 1e-6
    assert got["cosine"]["pearson"]["low"] < got["cosine"]["pearson"]["value"] < got["cosine"]["pearson"]["high"]
    stats = pytest.importorskip("scipy.stats")
    assert abs(got["cosine"]["spearman"]["value"] - stats.spearmanr(cosines, gold)[0]) < 1e-6
    again = vecna("eval", "similarity", vectors, tmp_path / "p.txt", "--json", "--threads", 3).json()
    assert again == got


def test_sentence_pairs(vecna, vectors, tmp_path):
    counts = RNG.integers(1, 1000, 300)
    sentences = [list(RNG.choice(300, RNG.integers(1, 9))) for _ in range(80)] + [[]]
    texts = [" ".join(WORDS[i].upper() for i in rows) + ", unknown." for rows in sentences]
    gold = RNG.standard_normal(41)
    sentences.append([3, 3])
    texts.append("w3 w3")
    lines = ["split\tscore\tsentence1\tsentence2"]
    lines += [f"dev\t{gold[i]}\t{texts[2 * i]}\t{texts[2 * i + 1]}" for i in range(41)]
    (tmp_path / "p.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "counts.txt").write_text("".join(f"{w} {c}\n" for w, c in zip(WORDS, counts)))
    got = vecna("eval", "similarity", vectors, tmp_path / "p.tsv", "--counts", tmp_path / "counts.txt", "--json").json()
    assert (got["of"], got["asked"], got["unknown"]) == ("sentences", 41, 1)
    p = counts / counts.sum()
    for way, weights, rows in (("mean", numpy.ones(300), None), ("sif", 1e-3 / (1e-3 + p), None)):
        if way == "sif":
            rows = reference.sif(VECTORS, weights, sentences)
        else:
            rows = numpy.array([VECTORS[s].astype("f8").mean(0) if s else numpy.zeros(12) for s in sentences])
        rows = reference.unit(rows)
        cosines = (rows[0::2] * rows[1::2]).sum(1)
        assert abs(got[way]["pearson"]["value"] - reference.pearson(cosines, gold)) < 1e-6, way
        assert abs(got[way]["spearman"]["value"] - reference.spearman(cosines, gold)) < 1e-6, way


def test_real_vectors_and_judgements(vecna, shared):
    """The figures that scipy and gensim give for these files."""
    got = vecna("eval", "similarity", shared / "words" / "glove6b-top40k.100.npy", shared / "eval" / "EN-WS-353-ALL.txt",
                "--json").json()
    assert got["asked"] == 348 and abs(got["cosine"]["spearman"]["value"] - 0.5552) < 1e-4
    got = vecna("eval", "analogy", shared / "words" / "glove6b-top40k.100.npy", shared / "eval" / "questions-words.txt",
                "--json").json()
    assert got["total"]["asked"] == 16880 and got["total"]["right"] in range(10985, 10992)


GENSIM = ROOT / "tests" / "vectors" / "gensim"  # made by tests/reference/gensim_cases.py


@pytest.mark.parametrize("method, options, key", [("add", (), "cosine"), ("mul", ("--epsilon", "1e-6"), "score")])
def test_answers_are_those_of_gensim(vecna, method, options, key):
    """The five best, in order, and what they score to 1e-6: gensim computes in float32."""
    for case in json.loads((GENSIM / "gensim.json").read_text())["answers"]:
        a, b, c = case["words"]
        got = vecna("eval", "analogy", GENSIM / "vectors.txt", b, "-", a, "+", c, "-k", 5, "--method", method, *options, "--json").json()["answers"]
        assert [one["word"] for one in got] == [word for word, _ in case[method]]
        assert all(abs(one[key] - score) < 1e-6 * max(1, score) for one, (_, score) in zip(got, case[method]))


@pytest.mark.parametrize("restrict", [100, 150])
def test_analogies_count_as_gensim_counts(vecna, restrict):
    expected = json.loads((GENSIM / "gensim.json").read_text())["analogies"][str(restrict)]
    got = vecna("eval", "analogy", GENSIM / "vectors.txt", GENSIM / "questions.txt", "--restrict-vocab", restrict, "--json").json()
    assert {one["name"]: one["right"] for one in got["sections"]} == {k: v for k, v in expected["right"].items() if k != "Total accuracy"}
    assert {one["name"]: one["asked"] for one in got["sections"]} == {k: v for k, v in expected["asked"].items() if k != "Total accuracy"}
    assert got["total"]["right"] == expected["right"]["Total accuracy"] and got["total"]["asked"] == expected["asked"]["Total accuracy"]
    assert abs(got["accuracy"]["value"] - expected["accuracy"]) < 1e-6


def test_word_pairs_as_gensim_judges_them(vecna):
    expected = json.loads((GENSIM / "gensim.json").read_text())["pairs"]
    got = vecna("eval", "similarity", GENSIM / "vectors.txt", GENSIM / "pairs.tsv", "--json").json()
    assert abs(got["cosine"]["pearson"]["value"] - expected["pearson"]) < 1e-6
    assert abs(got["cosine"]["spearman"]["value"] - expected["spearman"]) < 1e-6
    assert abs(100 * got["unknown"] / got["pairs"] - expected["unknown_per_cent"]) < 1e-6


@pytest.mark.parametrize("arguments, status, words", [
    (("analogy",), 2, "usage"),
    (("analogy", "v.npy", "absent.txt"), 1, "absent.txt"),
    (("analogy", "v.npy", "bad.txt"), 1, "line 2"),
    (("analogy", "v.npy", "none.txt"), 1, "no question"),
    (("analogy", "v.npy", "w1", "w2", "w3"), 1, "neither + nor -"),
    (("analogy", "v.npy", "w1", "-", "+", "w3"), 1, "before and behind"),
    (("analogy", "v.npy", "w1", "+", "w3", "-"), 1, "before and behind"),
    (("analogy", "bare.npy", "w1", "+", "w3"), 1, "--vocab"),
    (("analogy", "bare.npy", "w1", "+", "w3", "--vocab", "none.txt"), 1, "lines"),
    (("similarity", "v.npy", "bad.txt"), 1, "line 2"),
    (("similarity", "v.npy", "short.txt"), 1, "two or more"),
    (("similarity", "v.npy", "strange.txt"), 1, "two or more"),
    (("similarity", "v.npy", "bad.txt", "--sif", "0"), 2, "--sif"),
])
def test_mistakes(vecna, vectors, tmp_path, arguments, status, words):
    numpy.save(tmp_path / "bare.npy", VECTORS)
    (tmp_path / "bad.txt").write_text("w1 w2 w3 w4\nw1 w2\n")
    (tmp_path / "none.txt").write_text("a b c d\n")
    (tmp_path / "short.txt").write_text("w1\tw2\t3\n")
    (tmp_path / "strange.txt").write_text("x\ty\t3\nz\tw2\t4\n")
    result = vecna("eval", *arguments, status=status, cwd=tmp_path)
    assert words in result.err, result.err
