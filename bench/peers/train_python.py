"""The peers that are Python packages, each as a process of its own that train.py starts:

    train_python.py skipgram|cbow TEXT OUT EPOCHS SEED RATE
    train_python.py dbow DOCUMENTS OUT EPOCHS SEED
    train_python.py kmeans VECTORS LABELS SEED
    train_python.py pca VECTORS OUT DIM
    train_python.py tsne|opentsne VECTORS SEED

A process prints nothing, or one JSON object with what it found."""

import json
import sys


def words(kind, text, out, epochs, seed, rate):
    from gensim.models import Word2Vec

    # gensim's CBOW spreads the whole gradient, as word2vec.c does
    model = Word2Vec(vector_size=100, window=5, negative=5, min_count=5, sample=1e-3, alpha=float(rate), workers=1, sg=int(kind == "skipgram"),
                     epochs=int(epochs), seed=int(seed), corpus_file=text)
    model.wv.save_word2vec_format(out, binary=True)


def documents(text, out, epochs, seed):
    import numpy
    from gensim.models import Doc2Vec

    model = Doc2Vec(vector_size=100, negative=5, min_count=5, sample=0, alpha=0.025, workers=1, dm=0, epochs=int(epochs), seed=int(seed),
                    corpus_file=text)
    numpy.save(out, model.dv.vectors)


def unit(path):
    import numpy

    rows = numpy.load(path).astype("f4")
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def groups(path, labels, seed):
    """As much as `vecna eval cluster` says: ten starts, agreement with the labels, silhouette."""
    from sklearn import metrics
    from sklearn.cluster import KMeans

    rows, names = unit(path), open(labels, encoding="utf-8").read().split("\n")[:-1]
    found = KMeans(n_clusters=len(set(names)), n_init=10, random_state=int(seed)).fit_predict(rows)
    metrics.silhouette_score(rows, found, metric="cosine")
    metrics.adjusted_rand_score(names, found)
    print(json.dumps({"v_measure": metrics.v_measure_score(names, found)}))


def components(path, out, dim):
    import numpy
    from sklearn.decomposition import PCA

    rows = numpy.load(path).astype("f4")
    model = PCA(n_components=int(dim))
    numpy.save(out, model.fit_transform(rows))
    print(json.dumps({"kept": float(model.explained_variance_ratio_.sum())}))


def plane(kind, path, seed):
    rows = unit(path)
    if kind == "tsne":
        from sklearn.manifold import TSNE

        print(json.dumps({"divergence": float(TSNE(init="pca", random_state=int(seed)).fit(rows).kl_divergence_)}))
    else:
        from openTSNE import TSNE

        print(json.dumps({"divergence": float(TSNE(random_state=int(seed)).fit(rows).kl_divergence)}))


def main():
    kind, arguments = sys.argv[1], sys.argv[2:]
    if kind in ("skipgram", "cbow"):
        words(kind, *arguments)
    elif kind == "dbow":
        documents(*arguments)
    elif kind == "kmeans":
        groups(*arguments)
    elif kind == "pca":
        components(*arguments)
    else:
        plane(kind, *arguments)


main()
