#!/usr/bin/env python3
"""docs/pictures/retention.svg out of docs/pictures/retention.tsv: what a map keeps, by the pairs that it was fitted on.

    scripts/plot_retention.py [TSV] [SVG]

The table has a line `set<TAB>direction<TAB>pairs<TAB>blend<TAB>auto<TAB>old` for each point: shares of native nDCG@10. One
panel for each set and direction; pairs on a logarithmic scale; the dashed line is the old model, kept.
"""

import collections
import math
import pathlib
import sys

HOME = pathlib.Path(__file__).resolve().parent.parent / "docs" / "pictures"
WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 200, 52, 34, 62
COLOURS = {"blend": "#4477aa", "auto": "#cc3311"}


def text(x, y, words, anchor="middle", size=12):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


def panel(name, points, x0, y0):
    values = [v for _, *three in points for v in three]
    low, high = math.floor(min(values) * 20) / 20, math.ceil(max(values) * 20) / 20
    first, last = math.log(points[0][0]), math.log(points[-1][0])

    def at(pairs, value):
        along = (math.log(pairs) - first) / (last - first)
        return x0 + 14 + along * (WIDTH - 28), y0 + HEIGHT - (value - low) / (high - low) * HEIGHT

    out = [f'<rect x="{x0}" y="{y0}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    out.append(text(x0 + WIDTH / 2, y0 - 10, name, size=13))
    for step in range(round((high - low) * 20) + 1):
        value = low + step / 20
        y = at(points[0][0], value)[1]
        out.append(f'<path d="M{x0} {y:.1f}h{WIDTH}" stroke="#ddd"/>' + text(x0 - 6, y + 4, f"{value:.2f}", "end", 11))
    for pairs, *_ in points:
        out.append(text(at(pairs, low)[0], y0 + HEIGHT + 16, f"{pairs:,}", size=11))
    out.append(text(x0 + WIDTH / 2, y0 + HEIGHT + 34, "pairs", size=11))
    old = at(points[0][0], points[0][3])[1]
    out.append(f'<path d="M{x0} {old:.1f}h{WIDTH}" stroke="#555" stroke-dasharray="5 4"/>')
    out.append(text(x0 + 6, old - 5, "keep the old model", "start", 11))
    for column, (label, colour) in enumerate(COLOURS.items(), 1):
        line = [at(point[0], point[column]) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in line)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        x, y = line[-1]
        out.append(f'<g fill="{colour}">{text(x - 8, y + (16 if label == "blend" else -8), label, "end")}</g>')
    return "\n".join(out)


def main():
    table = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HOME / "retention.tsv"
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HOME / "retention.svg"
    panels = collections.defaultdict(list)
    for line in table.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, direction, pairs, *values = line.split("\t")
            panels[f"{name}, {direction}"].append((int(pairs), *map(float, values)))
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + HEIGHT + 48
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">']
    out.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for index, (name, points) in enumerate(panels.items()):
        out.append(panel(name, sorted(points), LEFT + index * (WIDTH + GAP), TOP))
    target.write_text("\n".join(out + ["</svg>\n"]), encoding="utf-8")


if __name__ == "__main__":
    main()
