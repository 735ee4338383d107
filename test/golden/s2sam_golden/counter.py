"""The project's counter-based random numbers, written a second time in numpy.

Both sides make the same inputs from a name, so a golden file stores outputs only. The rules are those of
`native/include/s2sam/ops.hpp` (random_uniform, random_normal, mask_random) and `packages/core/src/random/key.ts`.
"""

import numpy as np

SEED = 0  # of everything that is drawn, where nothing else is said
MASK64 = (1 << 64) - 1
LOW32 = np.uint64(0xFFFFFFFF)


def philox(key, c0, c1=0, c2=0, c3=0):
    """Philox4x32-10 for an array of counters; four uint32 arrays."""
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, np.uint64) for c in (c0, c1, c2, c3)))
    k0, k1 = key
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & LOW32,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & LOW32,
        )
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return tuple(c.astype(np.uint32) for c in (c0, c1, c2, c3))


def fnv1a64(data):
    hashed = 0xCBF29CE484222325
    for byte in data:
        hashed = ((hashed ^ byte) * 0x100000001B3) & MASK64
    return hashed


def mix64(value):
    z = (value + 0x9E3779B97F4A7C15) & MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def stream_key(seed, name, step=0):
    key = mix64(mix64(mix64(seed) ^ fnv1a64(name.encode())) ^ step)
    return key & 0xFFFFFFFF, key >> 32


def words(key, count):
    """Element i is word i % 4 of Philox(key)(i / 4)."""
    return np.stack(philox(key, np.arange((count + 3) // 4)), axis=1).reshape(-1)[:count]


def uniform(key, shape, lo, hi):
    unit = (words(key, int(np.prod(shape))) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    lo, hi = np.float32(lo), np.float32(hi)
    return (unit * (hi - lo) + lo).reshape(shape)


def normal(key, shape, mean=0.0, std=1.0):
    count = int(np.prod(shape))
    pairs = words(key, count + count % 2).reshape(-1, 2).astype(np.float64)
    radius = np.sqrt(-2.0 * np.log((pairs[:, 0] + 1.0) / 2.0**32))
    angle = 2.0 * np.pi * (pairs[:, 1] / 2.0**32)
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
    return (float(np.float32(mean)) + float(np.float32(std)) * z).astype(np.float32).reshape(shape)


def integers(key, shape, below):
    """word % below, int32."""
    return (words(key, int(np.prod(shape))) % np.uint32(below)).astype(np.int32).reshape(shape)


def pixels(key, shape):
    """The top byte of each word, uint8."""
    return (words(key, int(np.prod(shape))) >> np.uint32(24)).astype(np.uint8).reshape(shape)


def scatter_order(key, count):
    """0..count-1 ordered by the 64-bit draw (word 0 high, word 1 low) of each index; ties: lower index first."""
    high, low, _, _ = philox(key, np.arange(count))
    return np.argsort((high.astype(np.uint64) << np.uint64(32)) | low, kind="stable")


def random_mask(key, shape, keep):
    """Exactly `keep` ones, float32: the rule of mask_random."""
    count = int(np.prod(shape))
    mask = np.zeros(count, np.float32)
    mask[scatter_order(key, count)[:keep]] = 1.0
    return mask.reshape(shape)


def pack_bits(mask):
    """Bit i % 32 of word i / 32 belongs to element i."""
    flat = np.asarray(mask).reshape(-1) != 0
    padded = np.zeros((flat.size + 31) // 32 * 32, np.uint32)
    padded[: flat.size] = flat
    return (padded.reshape(-1, 32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
