"""Translators of other tools, and the textbook ones in NumPy, behind one call.

A method is `fit(source, target, role, work) -> translate`, with source (pairs, dim_in) and
target (pairs, dim_out) float64 unit rows, and translate(x) -> (rows, dim_out). `role` is
"document" (a stored corpus moves to the space of `target`) or "query" (queries of a new model
ask an index that lives in the space of `target`). `work` is a folder of its own.

The names say whose code runs: `numpy:` is written here from the textbook, `sklearn:`,
`isotrieve:`, `rebasis:` and `embspec:` call those packages, `vecna` calls the binary.
"""

import pathlib
import subprocess
import time
import warnings

import numpy as np

from measures import unit

LAMBDAS = np.logspace(-5, 2, 15)


# ---- textbook -----------------------------------------------------------------------------


def centre(x):
    mean = x.mean(axis=0)
    return x - mean, mean


def rotation(xc, yc):
    """Orthogonal (or, for unequal dimensions, semi-orthogonal) Procrustes."""
    u, s, vt = np.linalg.svd(xc.T @ yc, full_matrices=False)
    return u @ vt, s.sum()


def scaled_rotation(xc, yc, scale):
    r, trace = rotation(xc, yc)
    moved = (xc @ r) ** 2
    if scale == "none":
        return r
    if scale == "least-squares":
        return r * (trace / moved.sum())
    return r * np.sqrt((yc**2).sum() / moved.sum())  # "radius": same mean spread as the target


class RidgePath:
    """All ridge solutions from one eigendecomposition of X'X. A lambda is relative to the mean
    eigenvalue, so that it means the same for every number of pairs."""

    def __init__(self, xc, yc):
        values, self.vectors = np.linalg.eigh((xc.T @ xc).astype(np.float64))
        self.values = np.maximum(values, 0.0)
        self.cross = self.vectors.T @ (xc.T @ yc).astype(np.float64)
        self.level = self.values.mean()

    def shrunk(self, lam):
        """The solution in the basis of the eigenvectors: predictions of rows already turned
        into that basis need no further product with it."""
        return self.cross / (self.values + lam * self.level + 1e-12)[:, None]

    def solution(self, lam):
        return self.vectors @ self.shrunk(lam)


def split(count, share=0.1, seed=0):
    order = np.random.default_rng(seed).permutation(count)
    held = max(16, min(600, int(share * count)))
    return order[held:], order[:held]


def affine(w, mean_x, mean_y):
    return lambda x: unit((np.asarray(x, np.float64) - mean_x) @ w + mean_y)


def mean_cosine(a, b):
    return float((unit(a) * unit(b)).sum(axis=1).mean())


def validated_ridge(x, y):
    """Ridge with the lambda of the best mean cosine on a tenth that was not fitted on,
    then once more on all pairs."""
    fit, held = split(len(x))
    xc, mx = centre(x[fit])
    yc, my = centre(y[fit])
    path = RidgePath(xc, yc)
    turned, wanted = (x[held] - mx) @ path.vectors, y[held]
    best = max(LAMBDAS, key=lambda lam: mean_cosine(turned @ path.shrunk(lam) + my, wanted))
    xc, mx = centre(x)
    yc, my = centre(y)
    return RidgePath(xc, yc).solution(best), xc, yc, mx, my


def numpy_procrustes(scale):
    def fit(x, y, role, work):
        xc, mx = centre(x)
        yc, my = centre(y)
        return affine(scaled_rotation(xc, yc, scale), mx, my)

    return fit


def numpy_ridge(x, y, role, work):
    w, _, _, mx, my = validated_ridge(x, y)
    return affine(w, mx, my)


def numpy_blend(x, y, role, work):
    """Fixed blend of a scaled rotation and ridge; 0.6 / 0.4 for documents, 0.9 / 0.1 for queries."""
    w, xc, yc, mx, my = validated_ridge(x, y)
    share, scale = (0.6, "least-squares") if role == "document" else (0.9, "radius")
    return affine(share * scaled_rotation(xc, yc, scale) + (1 - share) * w, mx, my)


# ---- controls -----------------------------------------------------------------------------


def control_mean(x, y, role, work):
    mean = y.mean(axis=0)
    return lambda q: np.tile(mean, (len(q), 1)) + 1e-9 * np.asarray(q)[:, :1]


def control_shuffled(x, y, role, work):
    wrong = np.random.default_rng(0).permutation(len(y))
    return numpy_procrustes("none")(x, y[wrong], role, work)


def control_cut_or_pad(x, y, role, work):
    width = y.shape[1]

    def translate(q):
        q = np.asarray(q)[:, :width]
        return unit(np.pad(q, ((0, 0), (0, width - q.shape[1]))))

    return translate


# ---- packages -----------------------------------------------------------------------------


def sklearn_ridgecv(x, y, role, work):
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=np.logspace(-3, 3, 25)).fit(x, y)
    return lambda q: unit(model.predict(np.asarray(q, np.float64)))


def isotrieve_ridge(x, y, role, work):
    from isotrieve import RidgeMapping

    model = RidgeMapping()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return lambda q: unit(model.transform(np.asarray(q, np.float64)))


def rebasis_method(name):
    def fit(x, y, role, work):
        import structlog
        from rebasis.core.selection import fit_candidates

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))  # warnings

        found = fit_candidates(
            x.astype(np.float32), y.astype(np.float32), methods=(name,), skip_unavailable=False
        )
        adapter = found[0].adapter
        return lambda q: unit(adapter.apply(np.asarray(q, np.float32)))

    return fit


def embspec_adapter(regularization):
    def fit(x, y, role, work):
        from embspec import DriftAdapter

        model = DriftAdapter.fit(x, y, regularization=regularization)
        return lambda q: unit(model.transform(np.asarray(q, np.float64)))

    return fit


# ---- vecna --------------------------------------------------------------------------------


def vecna(binary, extra=()):
    """The binary itself: files in, files out. A FAIL verdict (status 3) still leaves a map,
    which is then applied with --force: the table shows what the tool warned about."""

    def run(*words):
        done = subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.returncode

    def fit(x, y, role, work):
        work = pathlib.Path(work)
        work.mkdir(parents=True, exist_ok=True)
        np.save(work / "source.npy", x.astype(np.float32))
        np.save(work / "target.npy", y.astype(np.float32))
        files = (work / "source.npy", work / "target.npy", "-o", work / "pairs.map")
        run("fit", *files, "--role", role, *extra)

        def translate(q):
            np.save(work / "in.npy", np.asarray(q, np.float32))
            run("translate", work / "in.npy", work / "out.npy", "--map", work / "pairs.map", "--force")
            return np.load(work / "out.npy").astype(np.float64)

        return translate

    return fit


def table(binary=None):
    """All methods by name, in the order of the printed table."""
    methods = {
        "control:mean vector": control_mean,
        "control:shuffled pairs": control_shuffled,
        "control:cut or padded": control_cut_or_pad,
        "numpy:procrustes": numpy_procrustes("none"),
        "numpy:procrustes, least-squares scale": numpy_procrustes("least-squares"),
        "numpy:procrustes, radius scale": numpy_procrustes("radius"),
        "numpy:ridge, validated": numpy_ridge,
        "numpy:blend": numpy_blend,
        "sklearn:RidgeCV": sklearn_ridgecv,
        "isotrieve:ridge": isotrieve_ridge,
        "rebasis:procrustes": rebasis_method("procrustes"),
        "rebasis:procrustes_centered": rebasis_method("procrustes_centered"),
        "rebasis:procrustes_centered+dsm": rebasis_method("procrustes_centered+dsm"),
        "rebasis:linear": rebasis_method("linear"),
        "rebasis:low_rank_affine": rebasis_method("low_rank_affine"),
        "embspec:least squares": embspec_adapter(0.0),
        "embspec:0.01": embspec_adapter(0.01),
    }
    if binary:
        methods["vecna"] = vecna(binary)
    return methods


def timed(fit, *args):
    start = time.perf_counter()
    translate = fit(*args)
    return translate, time.perf_counter() - start
