#!/usr/bin/env python3
"""Draws docs/pictures/confidence.svg, the reliability of the confidence: for each tenth of the rows, from the least
confident on, what was expected against what was true.

bench/peers/trust.py --json FILE writes the figures. Usage: scripts/plot_trust.py FILE > docs/pictures/confidence.svg"""
import json
import sys

COLOURS = ("#1b6ca8", "#c2571a", "#2e8540", "#7a3e9d")
SIDE, LEFT, TOP, GAP = 260, 60, 50, 90


def panel(at, title, low, high, series, key):
    def x(value):
        return at + (value - low) / (high - low) * SIDE

    def y(value):
        return TOP + SIDE - (value - low) / (high - low) * SIDE

    out = [f'<text x="{at + SIDE / 2:.0f}" y="{TOP - 18}" text-anchor="middle" font-weight="bold">{title}</text>',
           f'<rect x="{at}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
           f'<line x1="{at}" y1="{TOP + SIDE}" x2="{at + SIDE}" y2="{TOP}" stroke="#bbb" stroke-dasharray="4 4"/>',
           f'<text x="{at + SIDE / 2:.0f}" y="{TOP + SIDE + 36}" text-anchor="middle">expected</text>',
           f'<text x="{at - 38}" y="{TOP + SIDE / 2:.0f}" text-anchor="middle" '
           f'transform="rotate(-90 {at - 38} {TOP + SIDE / 2:.0f})">true</text>']
    for step in range(6):
        value = low + (high - low) * step / 5
        out.append(f'<text x="{x(value):.1f}" y="{TOP + SIDE + 16}" text-anchor="middle" font-size="11">{value:.2f}</text>')
        out.append(f'<text x="{at - 6}" y="{y(value) + 4:.1f}" text-anchor="end" font-size="11">{value:.2f}</text>')
    for colour, (_, figures) in zip(COLOURS, series):
        points = [(x(told), y(true)) for told, true in figures[key]]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="' +
                   " ".join(f"{a:.1f},{b:.1f}" for a, b in points) + '"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        series = list(json.load(file)["reliability"].items())
    second = LEFT + SIDE + GAP
    width, height = second + SIDE + 180, TOP + SIDE + 60
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           'font-size="13">', f'<rect width="{width}" height="{height}" fill="white"/>']
    out += panel(LEFT, "cosine with the true vector", 0.5, 1.0, series, "cosine")
    out += panel(second, "share of neighbours kept", 0.2, 0.8, series, "recall")
    for at, (colour, (name, _)) in enumerate(zip(COLOURS, series)):
        out.append(f'<circle cx="{second + SIDE + 24}" cy="{TOP + 14 + 22 * at}" r="4" fill="{colour}"/>')
        out.append(f'<text x="{second + SIDE + 34}" y="{TOP + 18 + 22 * at}">{name}</text>')
    print("\n".join(out + ["</svg>"]))


if __name__ == "__main__":
    main()
