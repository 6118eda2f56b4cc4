"""vecna choose: what it prints, that a large corpus streams past, and its mistakes."""

import json

import numpy
import pytest

RNG = numpy.random.default_rng(8)
CENTRES = RNG.standard_normal((25, 16))
ROWS = (CENTRES[numpy.where(RNG.random(900) < 0.6, 0, RNG.integers(0, 25, 900))]
        + 0.2 * RNG.standard_normal((900, 16))).astype("f4")


@pytest.fixture
def corpus(tmp_path):
    numpy.save(tmp_path / "c.npy", ROWS)
    lines = [json.dumps({"id": f"d{i}", "text": f"text “{i}”", "other": [1, 2]}) for i in range(900)]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "c.npy"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def nearest(chosen):
    centred = ROWS / numpy.linalg.norm(ROWS, axis=1, keepdims=True)
    centred -= centred.mean(0)
    centred /= numpy.linalg.norm(centred, axis=1, keepdims=True)
    return (centred @ centred[chosen].T).max(1).mean()


def test_spread_covers_what_chance_leaves_out(vecna, corpus):
    cover = {}
    for method in ("spread", "kmeans++", "random"):
        got = vecna("choose", corpus, "-n", 40, "--method", method, "--json").json()
        rows = [one["row"] for one in got["chosen"]]
        assert (got["method"], got["rows"], got["candidates"], got["count"]) == (method, 900, 900, 40)
        assert len(set(rows)) == 40 and all(set(one) == {"row"} for one in got["chosen"])
        assert got["nearest_cosine"] == pytest.approx(nearest(rows), abs=1e-4)
        cover[method] = got["nearest_cosine"]
    assert cover["spread"] > cover["random"] and cover["kmeans++"] > cover["random"]


def test_lines_with_texts_go_to_a_file(vecna, corpus, tmp_path):
    out = tmp_path / "chosen.jsonl"
    done = vecna("choose", corpus, "-n", 12, "--texts", tmp_path / "c.jsonl", "-o", out)
    assert done.out == "" and "12 of 900 rows chosen, spread" in done.err
    got = lines(out.read_text(encoding="utf-8"))
    assert len(got) == 12 and got != sorted(got, key=lambda one: one["row"])
    assert all(one["id"] == f"d{one['row']}" and one["text"] == f"text “{one['row']}”" for one in got)
    printed = vecna("choose", corpus, "-n", 12, "--texts", tmp_path / "c.jsonl")
    assert lines(printed.out) == got
    first = vecna("choose", corpus, "-n", 5, "--texts", tmp_path / "c.jsonl")
    assert lines(first.out) == got[:5]  # of a choice, the first are a choice of fewer


def test_records_of_the_corpus_and_standard_input(vecna, tmp_path):
    data = "".join(json.dumps({"id": i, "text": f"t{i}", "embedding": row.tolist()}) + "\n" for i, row in enumerate(ROWS))
    got = lines(vecna("choose", "-", "-n", 6, stdin=data.encode()).out)
    assert all(one["id"] == str(one["row"]) and one["text"] == f"t{one['row']}" for one in got)


def test_a_sample_bounds_what_is_held(vecna, corpus, tmp_path):
    got = vecna("choose", corpus, "-n", 20, "--candidates", 100, "--json", "--seed", 4).json()
    assert (got["candidates"], got["rows"], got["count"]) == (100, 900, 20)
    assert max(one["row"] for one in got["chosen"]) > 450  # not the first hundred
    again = vecna("choose", corpus, "-n", 20, "--candidates", 100, "--json", "--seed", 4, "--threads", 1).json()
    assert again == got
    other = vecna("choose", corpus, "-n", 20, "--candidates", 100, "--json", "--seed", 5).json()
    assert other["chosen"] != got["chosen"]
    with_texts = vecna("choose", corpus, "-n", 20, "--candidates", 100, "--seed", 4, "--texts", tmp_path / "c.jsonl")
    assert [one["row"] for one in lines(with_texts.out)] == [one["row"] for one in got["chosen"]]
    assert all(one["text"] == f"text “{one['row']}”" for one in lines(with_texts.out))
    assert "among a uniform sample of 100" in with_texts.err


def test_rows_without_a_direction_are_passed_over(vecna, tmp_path):
    rows = ROWS[:50].copy()
    rows[3] = 0
    rows[4, 2] = numpy.nan
    numpy.save(tmp_path / "c.npy", rows)
    done = vecna("choose", tmp_path / "c.npy", "-n", 60)
    chosen = [one["row"] for one in lines(done.out)]
    assert len(chosen) == 48 and 3 not in chosen and 4 not in chosen
    assert "2 of 50 candidates" in done.err and "48 rows were chosen, not 60" in done.err
    numpy.save(tmp_path / "z.npy", numpy.zeros((5, 3), "f4"))
    assert "zero or not finite" in vecna("choose", tmp_path / "z.npy", "-n", 2, status=1).err


def test_mistakes(vecna, corpus, tmp_path):
    assert "-n N is missing" in vecna("choose", corpus, status=2).err
    assert "--candidates" in vecna("choose", corpus, "-n", 10, "--candidates", 5, status=2).err
    assert "no/such" in vecna("choose", corpus, "-n", 5, "-o", tmp_path / "no" / "such.jsonl", status=1).err
    (tmp_path / "short.jsonl").write_text('{"id":1}\n' * 3)
    err = vecna("choose", corpus, "-n", 5, "--texts", tmp_path / "short.jsonl", status=1).err
    assert "short.jsonl has 3 lines" in err and "c.npy" in err
    (tmp_path / "bad.jsonl").write_text('{"id":\n' * 900)
    assert "bad.jsonl, line" in vecna("choose", corpus, "-n", 5, "--texts", tmp_path / "bad.jsonl", status=1).err
    assert "absent.jsonl" in vecna("choose", corpus, "-n", 5, "--texts", tmp_path / "absent.jsonl", status=1).err
    assert "choose CORPUS -n N" in vecna("choose", "--help").out
