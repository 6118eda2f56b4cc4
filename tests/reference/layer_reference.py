"""vecna train layer in NumPy, float64, with the same random numbers: what tests/cli/test_train_layer.py holds it
against. Written from the losses: gradients are taken sample by sample and added up, nothing is grouped."""

import numpy

from base_reference import MASK, seeded, u64


def below(state, bound):
    reject = (1 << 64) % bound
    while (value := u64(state)) < reject:
        pass
    return value % bound


def uniform(state):
    return (u64(state) >> 11) * 2.0 ** -53


def shuffled(seed, stream, count):
    state, order = seeded(seed, stream & MASK), list(range(count))
    for left in range(count, 1, -1):
        chosen = below(state, left)
        order[left - 1], order[chosen] = order[chosen], order[left - 1]
    return order


def held_out(seed, count, share):
    """(rows trained on, rows held out), as the command divides them."""
    order, held = shuffled(seed, 77, count), int(share * count)
    return order[held:], order[:held]


class AdaGrad:
    def __init__(self, rate, *values):
        self.rate, self.values, self.squares = rate, values, [numpy.zeros_like(v) for v in values]

    def step(self, gradients, moved):
        for value, square, gradient, rows in zip(self.values, self.squares, gradients, moved):
            rows = sorted(rows)
            square[rows] += gradient[rows] ** 2
            value[rows] -= self.rate * gradient[rows] / numpy.sqrt(square[rows] + 1e-8)


def start(rows, dim, seed):
    table = numpy.empty((rows, dim))
    for row in range(rows):
        state = seeded(seed, row)
        table[row] = [0.1 * (2 * uniform(state) - 1) for _ in range(dim)]
    return table


def batches(count, epochs, batch, seed):
    for epoch in range(epochs):
        order = shuffled(seed, MASK - epoch, count)
        for at in range(0, count, batch):
            yield epoch, at, order[at:at + batch]


def classify(texts, labels, words, classes, dim, epochs, batch, rate, l2, seed):
    """texts: lists of numbers below words. Returns the table, the classes' weights and their biases."""
    table, weights, bias = start(words, dim, seed), numpy.zeros((classes, dim)), numpy.zeros(classes)
    optimiser = AdaGrad(rate, table, weights, bias)
    for _, _, chosen in batches(len(texts), epochs, batch, seed):
        g_table, g_weights, g_bias, moved = numpy.zeros_like(table), l2 * weights, numpy.zeros(classes), set()
        for s in chosen:
            mean = table[texts[s]].mean(0) if texts[s] else numpy.zeros(dim)
            logits = weights @ mean + bias
            error = numpy.exp(logits - logits.max())
            error /= error.sum()
            error[labels[s]] -= 1
            g_weights += numpy.outer(error, mean) / len(chosen)
            g_bias += error / len(chosen)
            for word in texts[s]:
                g_table[word] += (weights.T @ error + l2 * table[word]) / (len(texts[s]) * len(chosen))
                moved.add(word)
        optimiser.step((g_table, g_weights, g_bias), (moved, range(classes), range(classes)))
    return table, weights, bias


def factorise(users, items, ratings, user_count, item_count, dim, epochs, batch, rate, l2, seed, negative=0):
    """ratings None: logistic, against `negative` items. Returns the table (users, then items), biases, mean."""
    rows = user_count + item_count
    table, bias = start(rows, dim, seed), numpy.zeros(rows)
    mean = 0.0 if ratings is None else float(numpy.mean(ratings))
    optimiser = AdaGrad(rate, table, bias)
    for epoch, at, chosen in batches(len(users), epochs, batch, seed):
        g_table, g_bias, moved = numpy.zeros_like(table), numpy.zeros(rows), set()
        for place, s in enumerate(chosen):
            state = seeded(seed, (epoch + 1) << 40 | (at + place))
            against = [(items[s], 1.0 if ratings is None else ratings[s])]
            against += [(below(state, item_count), 0.0) for _ in range(negative)]
            u = users[s]
            for item, target in against:
                i = user_count + item
                score = mean + bias[u] + bias[i] + table[u] @ table[i]
                error = (1 / (1 + numpy.exp(-score)) if ratings is None else score) - target
                g_table[u] += (error * table[i] + l2 * table[u]) / len(chosen)
                g_table[i] += (error * table[u] + l2 * table[i]) / len(chosen)
                g_bias[u] += (error + l2 * bias[u]) / len(chosen)
                g_bias[i] += (error + l2 * bias[i]) / len(chosen)
                moved |= {u, i}
        optimiser.step((g_table, g_bias), (moved, moved))
    return table, bias, mean
