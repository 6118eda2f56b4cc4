"""xoshiro256** seeded through splitmix64, with Python's integers: prints what random_test.c expects."""

MASK = (1 << 64) - 1


def splitmix64(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def rotate_left(x, bits):
    return ((x << bits) | (x >> (64 - bits))) & MASK


def seeded(seed, stream):
    _, mixed = splitmix64(stream)
    state, s = seed ^ mixed, []
    for _ in range(4):
        state, value = splitmix64(state)
        s.append(value)
    return s


def u64(s):
    result = (rotate_left((s[1] * 5) & MASK, 7) * 9) & MASK
    shifted = (s[1] << 17) & MASK
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = rotate_left(s[3], 45)
    return result


if __name__ == "__main__":
    for stream in range(2):
        s = seeded(42, stream)
        print(", ".join(f"UINT64_C(0x{u64(s):016X})" for _ in range(4)))
