"""Word similarity and analogies in float64 NumPy, by their definitions; test_eval_words.py holds the command
against this, and this against scipy and gensim where they are installed."""

import numpy


def unit(rows):
    rows = numpy.asarray(rows, "f8")
    lengths = numpy.linalg.norm(rows, axis=1, keepdims=True)
    return numpy.divide(rows, lengths, out=numpy.zeros_like(rows), where=lengths > 0)


def pearson(a, b):
    a, b = numpy.asarray(a, "f8"), numpy.asarray(b, "f8")
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / numpy.sqrt((a @ a) * (b @ b)))


def ranks(values):
    values = numpy.asarray(values, "f8")
    return numpy.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])


def spearman(a, b):
    return pearson(ranks(a), ranks(b))


def analogy(vectors, a, b, c, method="add", epsilon=0.001):
    """The row that answers a : b = c : ?"""
    rows = unit(vectors)
    cosines = rows @ rows[[a, b, c]].T
    if method == "add":
        score = cosines[:, 1] - cosines[:, 0] + cosines[:, 2]
    else:
        half = (1 + cosines) / 2
        score = half[:, 1] * half[:, 2] / (half[:, 0] + epsilon)
    score[[a, b, c]] = -numpy.inf
    return int(score.argmax())


def sif(vectors, weights, sentences):
    """Rows of sentences given as lists of rows: weighted means without the first direction of them all."""
    vectors = numpy.asarray(vectors, "f8")
    out = numpy.array([sum(weights[i] * vectors[i] for i in rows) / len(rows) if rows else 0 * vectors[0]
                       for rows in sentences])
    first = numpy.linalg.svd(out, full_matrices=False)[2][0]
    return out - numpy.outer(out @ first, first)
