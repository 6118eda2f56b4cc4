"""Properties of the float64 twin of lib/space, and that what was generated from it is current."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import space_reference  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def model(rng, rows, dim, basis):
    return rng.normal(0.2, 1, (rows, dim)) * (1 + 6 / np.arange(1, dim + 1)) @ basis


def rotation(rng, dim):
    q, r = np.linalg.qr(rng.normal(size=(dim, dim)))
    return q * np.sign(np.diag(r))


def test_chance_has_the_mean_and_variance_that_the_formula_says():
    """Rotated at random beside the mean direction, z is 0 on average with deviation 1."""
    rng = np.random.default_rng(1)
    dim = 24
    space = space_reference.Space(model(rng, 300, dim, np.eye(dim)))
    rows = space_reference.unit(model(rng, 12, dim, np.eye(dim)))
    frame = np.linalg.qr(np.c_[space.axis, rng.normal(size=(dim, dim - 1))])[0]
    z = []
    for _ in range(2000):
        inner = np.eye(dim)
        inner[1:, 1:] = rotation(rng, dim - 1)
        z.append(space.check(rows @ frame @ inner @ frame.T)["z"])
    assert abs(np.mean(z)) < 4 / np.sqrt(len(z))
    assert abs(np.std(z) - 1) < 0.1


def test_rotating_the_space_and_the_rows_changes_nothing():
    rng = np.random.default_rng(2)
    dim = 40
    basis, turn = np.eye(dim), rotation(rng, dim)
    rows, asked = model(rng, 200, dim, basis), model(rng, 20, dim, basis)
    a = space_reference.Space(rows).check(asked)
    b = space_reference.Space(rows @ turn).check(asked @ turn)
    for key in a:
        assert abs(a[key] - b[key]) < 1e-6 * (1 + abs(a[key]))


def test_expected_values_are_current(tmp_path):
    made = tmp_path / "expected.h"
    space_reference.write_expected(made)

    def numbers(path):
        text = open(path).read().replace("{", " ").replace("}", " ").replace(",", " ")
        out = []
        for word in text.split():
            try:
                out.append(float(word))
            except ValueError:
                pass
        return np.array(out)

    kept = numbers(os.path.join(ROOT, "tests", "unit", "space", "space_expected.h"))
    np.testing.assert_allclose(numbers(made), kept, rtol=1e-6, atol=1e-9)


def test_the_constants_are_those_of_the_c_code():
    code = open(os.path.join(ROOT, "lib", "space", "check.c")).read()
    for value in space_reference.CALIBRATION.values():
        assert "%.3f" % abs(value) in code
