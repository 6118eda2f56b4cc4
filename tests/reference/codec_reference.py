#!/usr/bin/env python3
"""Truth for lib/codec's numbers: tests/vectors/codec_numbers.tsv, one number a line:
text, its float32 bits, its float64 bits, repr of the float64, shortest digits of the float32 (%.{p}e).

float64 comes from Python's float(), which rounds correctly; float32 from exact fractions. Usage:
tests/reference/codec_reference.py > tests/vectors/codec_numbers.tsv"""

import math
import random
import struct
from fractions import Fraction


def float32_bits(text: str) -> int:
    exact = Fraction(text)
    sign = 0x80000000 if text.startswith("-") else 0
    exact = abs(exact)
    if exact == 0:
        return sign
    if exact >= Fraction(2) ** 128:
        return sign | 0x7F800000
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    while Fraction(2) ** exponent <= exact:
        exponent += 1
    unit = max(exponent - 24, -149)
    units = exact / Fraction(2) ** unit
    whole = units.numerator // units.denominator
    rest = units - whole
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1):
        whole += 1
    value = whole * Fraction(2) ** unit
    if value >= Fraction(2) ** 128:
        return sign | 0x7F800000
    return sign | struct.unpack("I", struct.pack("f", float(value)))[0]


def float32_shortest(bits: int) -> str:
    value = struct.unpack("f", struct.pack("I", bits))[0]
    if not math.isfinite(value):
        return "-"
    for digits in range(9):
        text = "%.*e" % (digits, value)
        if float32_bits(text) == bits:
            return text
    raise AssertionError(value)


def middle(low: float, high: float, nudge: int) -> str:
    exact = (Fraction(low) + Fraction(high)) / 2
    twos = exact.denominator.bit_length() - 1
    return f"{exact.numerator * 5**twos * 10 + nudge}e-{twos + 1}"


def texts(rng: random.Random) -> list[str]:
    out = ["0", "-0", "1", "-1", "0.1", "1e400", "-1e400", "1e-400", "1e23", "9007199254740993", "16777217"]
    out += ["4.9e-324", "2.4703282292062328e-324", "2.4703282292062327e-324", "1.7976931348623159e308"]
    out += ["3.4028235677973366e38", "3.4028235677973365e38", "7.006492321624085e-46", "7.006492321624086e-46"]
    out += ["1.1754943508222875e-38", "2.2250738585072011e-308", "1" + "0" * 60, "0." + "0" * 60 + "1"]
    for _ in range(300):
        out.append(repr(rng.gauss(0, 0.03)))
        bits = struct.unpack("d", struct.pack("Q", rng.getrandbits(64)))[0]
        if math.isfinite(bits):
            out.append(repr(bits))
            out.append("%.*e" % (rng.randrange(1, 40), bits))
        single = struct.unpack("f", struct.pack("I", rng.getrandbits(32)))[0]
        if math.isfinite(single):
            out.append("%.*e" % (rng.randrange(1, 30), single))
    for _ in range(60):
        low = abs(struct.unpack("d", struct.pack("Q", rng.getrandbits(63) % (2046 << 52)))[0])
        high = struct.unpack("d", struct.pack("Q", struct.unpack("Q", struct.pack("d", low))[0] + 1))[0]
        single_bits = rng.getrandbits(31) % (254 << 23)
        single = [struct.unpack("f", struct.pack("I", single_bits + step))[0] for step in (0, 1)]
        for nudge in (-1, 0, 1):
            out += [middle(low, high, nudge), middle(*single, nudge)]
    return out


for text in texts(random.Random(20)):
    bits32 = float32_bits(text)
    bits64 = struct.unpack("Q", struct.pack("d", float(text)))[0]
    print(f"{text}\t{bits32:08x}\t{bits64:016x}\t{float(text)!r}\t{float32_shortest(bits32)}")
