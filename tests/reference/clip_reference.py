"""vecna train clip in NumPy, float64, on something small: three steps, each with gradients by differences of the loss, so
that nothing here is derived by hand.

Run it to write tests/vectors/clip.txt, which tests/unit/train/clip_test.c reads: a name a line, then its numbers."""

import pathlib

import numpy

HEIGHT, WIDTH, CHANNELS, FILTERS, DIM, PIECES = 7, 8, 3, (3, 4), 5, 12
TEXTS = [[0, 3, 3], [1, 4], [5], [2, 6, 7, 8], [9, 0], [10, 11]]
# (picture, text): picture 1 has two texts, text 2 two pictures: neither is the other's negative
PAIRS = [(0, 0), (1, 1), (1, 2), (2, 2), (3, 3), (4, 4)]
EPOCHS, RATE, TEXT_RATE, DECAY, TEMPERATURE, CEILING = 3, 0.01, 0.05, 0.2, 0.3, 100


def cells(side, stages):
    for _ in range(stages):
        side = (side + 1) // 2
    return side


def shapes():
    below = CHANNELS
    for filters in FILTERS:
        yield (3, 3, below, filters)
        yield (filters,)
        below = filters
    yield (cells(HEIGHT, len(FILTERS)) * cells(WIDTH, len(FILTERS)) * below, DIM)
    yield (DIM,)


def split(tower):
    at = 0
    for shape in shapes():
        count = int(numpy.prod(shape))
        yield tower[at:at + count].reshape(shape)
        at += count


def see(tower, pixels):
    """Pictures (n, height, width, channels) to sums of any length: every output cell by itself."""
    parts = list(split(tower))
    x = (255 - pixels.astype(float)) / 128
    for weights, biases in zip(parts[0:-2:2], parts[1:-2:2]):
        n, height, width, _ = x.shape
        high, wide = (height + 1) // 2, (width + 1) // 2
        wall = numpy.zeros((n, height + 2, width + 2, x.shape[3]))
        wall[:, 1:-1, 1:-1] = x
        out = numpy.empty((n, high, wide, len(biases)))
        for i in range(high):
            for j in range(wide):
                out[:, i, j] = numpy.tensordot(wall[:, 2 * i:2 * i + 3, 2 * j:2 * j + 3], weights, 3) + biases
        x = numpy.maximum(out, 0)
    return x.reshape(len(x), -1) @ parts[-2] + parts[-1]


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def loss_of(tower, table, log_scale, pixels):
    pictures = unit(see(tower, pixels[[p for p, _ in PAIRS]]))
    texts = unit(numpy.array([sum(table[piece] for piece in TEXTS[t]) for _, t in PAIRS]))
    logits = numpy.exp(log_scale) * pictures @ texts.T
    total = 0
    for i, (p, t) in enumerate(PAIRS):
        kept = [j for j, (q, u) in enumerate(PAIRS) if j == i or (q != p and u != t)]
        total += numpy.log(numpy.exp(logits[i, kept]).sum()) - logits[i, i]
        total += numpy.log(numpy.exp(logits[kept, i]).sum()) - logits[i, i]
    return total / 2 / len(PAIRS)


def slopes(function, at, small=1e-5):
    out = numpy.empty(len(at))
    for i in range(len(at)):
        above, below = at.copy(), at.copy()
        above[i] += small
        below[i] -= small
        out[i] = (function(above) - function(below)) / (2 * small)
    return out


class Adam:
    def __init__(self, size):
        self.moment, self.square, self.steps = numpy.zeros(size), numpy.zeros(size), 0

    def step(self, gradient):
        self.steps += 1
        self.moment += 0.1 * (gradient - self.moment)
        self.square += 0.001 * (gradient ** 2 - self.square)
        return self.moment / (1 - 0.9 ** self.steps) / (numpy.sqrt(self.square / (1 - 0.999 ** self.steps)) + 1e-8)


def main():
    random = numpy.random.default_rng(5)
    pixels = random.integers(0, 256, (5, HEIGHT, WIDTH, CHANNELS))
    tower = numpy.concatenate([random.normal(size=int(numpy.prod(s))) * (0.4 if len(s) > 1 else 0.1) for s in shapes()])
    table = random.normal(size=(PIECES, DIM))
    tower, table = tower.astype("f4").astype(float), table.astype("f4").astype(float)
    log_scale = numpy.array([-numpy.log(TEMPERATURE)])
    weights = numpy.concatenate([numpy.full(int(numpy.prod(s)), len(s) > 1) for s in shapes()])
    size = numpy.sqrt((table ** 2).mean())
    lines = {"pixels": pixels, "tower0": tower, "table0": table}
    adams = [Adam(len(tower)), Adam(table.size), Adam(1)]
    losses = []
    for step in range(EPOCHS):
        share = step / EPOCHS
        share = (share + 1e-3) / 0.101 if share < 0.1 else (1 - share) / 0.9
        losses.append(loss_of(tower, table, log_scale[0], pixels))
        by_tower = slopes(lambda x: loss_of(x, table, log_scale[0], pixels), tower)
        by_table = slopes(lambda x: loss_of(tower, x.reshape(table.shape), log_scale[0], pixels), table.ravel())
        by_scale = slopes(lambda x: loss_of(tower, table, x[0], pixels), log_scale)
        if step == 0:
            lines |= {"by_tower": by_tower, "by_table": by_table, "by_scale": by_scale}
        tower = tower - RATE * share * (adams[0].step(by_tower) + DECAY * weights * tower)
        # every piece stands in a text of the batch: no row waits
        table = table - TEXT_RATE * size * share * adams[1].step(by_table).reshape(table.shape)
        log_scale = numpy.minimum(log_scale - RATE * share * adams[2].step(by_scale), numpy.log(CEILING))
    lines |= {"losses": losses, "tower": tower, "table": table, "scale": numpy.exp(log_scale)}
    out = pathlib.Path(__file__).parent.parent / "vectors" / "clip.txt"
    with open(out, "w") as file:
        for name, numbers in lines.items():
            file.write(name + " " + " ".join(f"{float(x):.9g}" for x in numpy.ravel(numbers)) + "\n")


if __name__ == "__main__":
    main()
