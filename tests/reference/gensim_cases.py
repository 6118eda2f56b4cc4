"""Makes tests/vectors/gensim: what gensim says of small vectors, for tests/cli/test_eval_words.py.

usage: python gensim_cases.py FOLDER    (needs gensim 4)
"""

import json
import pathlib
import sys

import gensim
import numpy


def main():
    folder = pathlib.Path(sys.argv[1])
    rng = numpy.random.default_rng(17)
    words = [f"w{i}" for i in range(150)]
    rows = numpy.round(rng.standard_normal((150, 10)) * rng.uniform(0.2, 3, (150, 1)), 3)
    (folder / "vectors.txt").write_text("150 10\n" + "".join(f"{word} {' '.join(f'{x:.3f}' for x in row)}\n" for word, row in zip(words, rows)))
    vectors = gensim.models.KeyedVectors.load_word2vec_format(str(folder / "vectors.txt"), binary=False)

    asked = [[words[i] for i in rng.choice(150, 3, replace=False)] for _ in range(12)]
    answers = [{"words": [a, b, c], "add": vectors.most_similar(positive=[b, c], negative=[a], topn=5),
                "mul": vectors.most_similar_cosmul(positive=[b, c], negative=[a], topn=5)} for a, b, c in asked]

    lines = []
    for section in (": capitals", ": gram1-plural"):
        lines.append(section)
        for _ in range(60):
            a, b, c = (words[i] for i in rng.choice(120, 3, replace=False))
            best = vectors.most_similar(positive=[b, c], negative=[a], topn=2, restrict_vocab=100)
            lines.append(f"{a} {b} {c} {best[int(rng.random() < 0.4)][0]}")
    lines.append("w1 w2 w3 absent")
    (folder / "questions.txt").write_text("\n".join(lines) + "\n")
    analogies = {}
    for restrict in (100, 150):
        share, sections = vectors.evaluate_word_analogies(str(folder / "questions.txt"), restrict_vocab=restrict)
        analogies[restrict] = {"accuracy": share, "right": {one["section"]: len(one["correct"]) for one in sections},
                               "asked": {one["section"]: len(one["correct"]) + len(one["incorrect"]) for one in sections}}

    pairs = [f"{words[a]}\t{words[b]}\t{round(2 * rng.uniform(0, 10)) / 2}\n" for a, b in (rng.choice(150, 2, replace=False) for _ in range(80))] + ["w1\tabsent\t3.0\n"]
    (folder / "pairs.tsv").write_text("".join(pairs))
    pearson, spearman, unknown = vectors.evaluate_word_pairs(str(folder / "pairs.tsv"))
    (folder / "gensim.json").write_text(json.dumps({
        "gensim": gensim.__version__, "answers": answers, "analogies": analogies,
        "pairs": {"pearson": float(pearson[0]), "spearman": float(spearman[0]), "unknown_per_cent": float(unknown)}}, indent=1) + "\n")


main()
