"""vecna eval cluster, classify and pairs against scikit-learn."""

import json

import numpy
import pytest
import sklearn.cluster
import sklearn.linear_model
import sklearn.metrics

RNG = numpy.random.default_rng(4)
LABELS = RNG.integers(0, 5, 300)
ROWS = (numpy.eye(5, 9)[LABELS] * 1.5 + RNG.normal(0, 0.8, (300, 9)) + 3).astype("f4")


def unit(rows):
    return rows / numpy.linalg.norm(rows.astype("f8"), axis=1, keepdims=True)


def write(folder, name, rows, labels=None, as_json=False):
    numpy.save(folder / f"{name}.npy", rows)
    if labels is not None:
        lines = [json.dumps({"n": i, "label": int(x)}) if as_json else f"group {x}" for i, x in enumerate(labels)]
        (folder / f"{name}.labels").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.npy"


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("as_json", [False, True])
def test_clusters(vecna, tmp_path, metric, as_json):
    file = write(tmp_path, "v", ROWS, LABELS, as_json)
    got = vecna("eval", "cluster", file, "--labels", tmp_path / "v.labels", "--metric", metric, "-o", tmp_path / "c.txt",
                "--resamples", 50, "--json").json()
    found = numpy.loadtxt(tmp_path / "c.txt", dtype=int)
    rows = unit(ROWS) if metric == "cosine" else ROWS.astype("f8")
    for key, function in (("homogeneity", "homogeneity_score"), ("completeness", "completeness_score"), ("v_measure", "v_measure_score"),
                          ("nmi", "normalized_mutual_info_score"), ("ari", "adjusted_rand_score")):
        value = got[key]["value"] if isinstance(got[key], dict) else got[key]
        assert value == pytest.approx(getattr(sklearn.metrics, function)(LABELS, found), abs=1e-9)
    table = sklearn.metrics.cluster.contingency_matrix(LABELS, found)
    assert got["purity"]["value"] == pytest.approx(table.max(0).sum() / 300)
    assert got["silhouette"] == pytest.approx(sklearn.metrics.silhouette_score(rows, found), abs=1e-6)
    assert got["silhouette_of_labels"] == pytest.approx(sklearn.metrics.silhouette_score(rows, LABELS), abs=1e-6)
    best = sklearn.cluster.KMeans(5, n_init=10, random_state=0).fit(rows)
    assert got["inertia"] <= best.inertia_ * 1.02  # other seeds, the same optimum or one as good
    centres = numpy.array([rows[found == c].mean(0) for c in range(5)])
    assert got["inertia"] == pytest.approx(((rows - centres[found]) ** 2).sum(), rel=1e-5)
    for key in ("v_measure", "ari", "purity"):
        assert got[key]["low"] <= got[key]["value"] <= got[key]["high"]
        assert got[key]["low"] > got["chance"][key]


def test_clusters_of_equal_rows(vecna, tmp_path):
    file = write(tmp_path, "v", numpy.ones((6, 3), "f4"), [0, 0, 0, 1, 1, 1])
    got = vecna("eval", "cluster", file, "--labels", tmp_path / "v.labels", "--json", "--metric", "l2", "-k", 1).json()
    assert got["inertia"] == 0 and got["v_measure"]["value"] == 0 and got["silhouette"] is None
    got = vecna("eval", "cluster", file, "--labels", tmp_path / "v.labels")  # k is 2, and one group is found
    assert "silhouette          -   of the labels themselves 0.000" in got.out and "nan" not in got.out


def test_intervals_of_shares_are_shares(vecna, tmp_path):
    file = write(tmp_path, "v", numpy.ones((20, 3), "f4"), list(range(10)) * 2)
    got = vecna("eval", "classify", file, file, "--labels", tmp_path / "v.labels", "--test-labels", tmp_path / "v.labels", "--json").json()
    for key in ("accuracy", "macro_f1"):
        assert 0 <= got[key]["low"] <= got[key]["value"] <= got[key]["high"] <= 1


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("strength", [1, 0.01, 30])
def test_classes(vecna, tmp_path, classes, strength):
    labels = LABELS % classes
    train = write(tmp_path, "train", ROWS[:200], labels[:200])
    test = write(tmp_path, "test", ROWS[200:], labels[200:])
    got = vecna("eval", "classify", train, test, "--labels", tmp_path / "train.labels", "--test-labels", tmp_path / "test.labels",
                "-C", strength, "-o", tmp_path / "p.txt", "--json").json()
    model = sklearn.linear_model.LogisticRegression(C=strength, tol=1e-9, max_iter=10000).fit(ROWS[:200].astype("f8"), labels[:200])
    wanted = model.predict(ROWS[200:].astype("f8"))
    assert (tmp_path / "p.txt").read_text().split("\n")[:-1] == [f"group {c}" for c in wanted]
    loss = sklearn.metrics.log_loss(labels[:200], model.predict_proba(ROWS[:200].astype("f8")))
    assert got["training_loss"] == pytest.approx(loss, abs=1e-6)
    assert got["accuracy"]["value"] == pytest.approx((wanted == labels[200:]).mean())
    assert got["macro_f1"]["value"] == pytest.approx(sklearn.metrics.f1_score(labels[200:], wanted, average="macro"), abs=1e-9)
    most = numpy.bincount(labels[:200]).argmax()
    assert got["most_frequent"] == pytest.approx((labels[200:] == most).mean())


def test_labels_that_training_never_saw(vecna, tmp_path):
    train = write(tmp_path, "train", ROWS[:50], LABELS[:50] % 2)
    test = write(tmp_path, "test", ROWS[50:60], [7] * 10)
    got = vecna("eval", "classify", train, test, "--labels", tmp_path / "train.labels", "--test-labels", tmp_path / "test.labels", "--json").json()
    assert got["unseen"] == 10 and got["accuracy"]["value"] == 0


def test_pairs(vecna, tmp_path):
    same = RNG.integers(0, 2, 200)
    a = RNG.normal(size=(200, 6)).astype("f4")
    b = (numpy.where(same[:, None], a, 0) + RNG.normal(0, 1, (200, 6))).astype("f4")
    left, right = write(tmp_path, "a", a), write(tmp_path, "b", b)
    (tmp_path / "same.txt").write_text("".join(f"{s}\n" for s in same))
    got = vecna("eval", "pairs", left, right, "--labels", tmp_path / "same.txt", "--json").json()
    cosine = (unit(a) * unit(b)).sum(1)
    assert got["average_precision"]["value"] == pytest.approx(sklearn.metrics.average_precision_score(same, cosine), abs=1e-9)
    assert got["chance"] == pytest.approx(same.mean())
    assert got["alignment"] == pytest.approx(((unit(a) - unit(b))[same == 1] ** 2).sum(1).mean(), abs=1e-9)
    distances = ((unit(a)[:, None] - unit(a)[None]) ** 2).sum(-1)[~numpy.eye(200, dtype=bool)]
    assert got["uniformity"] == pytest.approx(numpy.log(numpy.exp(-2 * distances).mean()), abs=1e-6)


def test_equal_scores_count_together(vecna, tmp_path):
    a = write(tmp_path, "a", numpy.tile([[1, 0]], (4, 1)).astype("f4"))
    b = write(tmp_path, "b", numpy.array([[1, 0], [1, 0], [1, 0], [0, 1]], "f4"))
    (tmp_path / "l").write_text("0\n1\n0\n1\n")
    got = vecna("eval", "pairs", a, b, "--labels", tmp_path / "l", "--json").json()
    assert got["average_precision"]["value"] == pytest.approx(sklearn.metrics.average_precision_score([0, 1, 0, 1], [1, 1, 1, 0]))


@pytest.mark.parametrize(
    "arguments, status, said",
    [
        (["cluster", "v.npy"], 2, "--labels"),
        (["cluster", "v.npy", "--labels", "v.labels", "-k", "301"], 1, "301 clusters"),
        (["cluster", "v.npy", "--labels", "none"], 1, "none"),
        (["cluster", "nan.npy", "--labels", "v.labels"], 1, "row 3"),
        (["classify", "v.npy", "v.npy", "--labels", "v.labels"], 2, "--test-labels"),
        (["classify", "v.npy", "wide.npy", "--labels", "v.labels", "--test-labels", "v.labels"], 1, "dimensions"),
        (["classify", "v.npy", "v.npy", "--labels", "one.labels", "--test-labels", "v.labels"], 1, "one label"),
        (["pairs", "v.npy", "wide.npy"], 1, "row i of both"),
        (["pairs", "v.npy", "v.npy", "--labels", "v.labels"], 1, "labelled 1"),
        (["pairs", "v.npy", "v.npy", "--labels", "zeros.labels"], 1, "no pair"),
    ],
)
def test_mistakes(vecna, tmp_path, arguments, status, said):
    write(tmp_path, "v", ROWS, LABELS)
    write(tmp_path, "wide", numpy.c_[ROWS, ROWS])
    holed = ROWS.copy()
    holed[3, 2] = numpy.nan
    write(tmp_path, "nan", holed)
    (tmp_path / "one.labels").write_text("a\n" * 300)
    (tmp_path / "zeros.labels").write_text("0\n" * 300)
    assert said in vecna("eval", *arguments, cwd=tmp_path, status=status).err
