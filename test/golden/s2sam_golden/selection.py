"""Choosing weights, a plain reading: sort everything, take the first. Masks are boolean arrays, flat; several are ranked as one."""

import numpy as np

from . import counter


def ranked(scores):
    """Indices, largest first; among equals the lower index; NaN last."""
    return np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")


def floor(value):
    """Whole part, forgiving of binary rounding."""
    return int(np.floor(value + 1e-6))


def kept_of(size, density):
    return size - int(np.floor(size - density * size + 1e-6))


def top_k(scores, keep):
    mask = np.zeros(scores.size, bool)
    mask[ranked(scores)[:keep]] = True
    return mask


def drop(mask, scores, count):
    """Without the `count` smallest of the kept."""
    kept = [i for i in ranked(scores) if mask[i]]
    result = mask.copy()
    result[kept[len(kept) - count :]] = False
    return result


def grow(mask, scores, count):
    """With the `count` largest of the others."""
    result = mask.copy()
    result[[i for i in ranked(scores) if not mask[i]][:count]] = True
    return result


def grow_random(mask, count, seed, name, step, taken=None):
    free = ~mask if taken is None else ~mask & ~taken
    order = counter.scatter_order(counter.stream_key(seed, f"grow/{name}", step), mask.size)
    result = mask.copy()
    result[[i for i in order if free[i]][:count]] = True
    return result


def draw(size, keep, seed, name):
    if keep == size:
        return np.ones(size, bool)
    return counter.random_mask(counter.stream_key(seed, f"mask/{name}"), (size,), keep) != 0


def apportion(total, weights, capacity):
    """In proportion to the weights, capped; largest remainders get the last units."""
    counts = np.zeros(len(weights), int)
    left, open_ = total, [i for i, c in enumerate(capacity) if c > 0]
    while left > 0 and open_:
        whole = sum(weights[i] for i in open_)
        share = {i: left * weights[i] / whole if whole > 0 else left / len(open_) for i in open_}
        full = [i for i in open_ if share[i] >= capacity[i]]
        if not full:
            for i in open_:
                counts[i] = int(share[i])
            rest = left - sum(counts[i] for i in open_)
            for i in sorted(open_, key=lambda i: (-(share[i] % 1), i))[:rest]:
                counts[i] += 1
            return counts
        for i in full:
            counts[i] = capacity[i]
            left -= capacity[i]
        open_ = [i for i in open_ if i not in full]
    return counts


class Together:
    """Layers as one long array."""

    def __init__(self, layers):
        self.edges = np.cumsum([0] + [layer.size for layer in layers])

    def split(self, flat):
        return [flat[a:b].copy() for a, b in zip(self.edges, self.edges[1:])]

    def apply(self, edit, masks, scores, count):
        return self.split(edit(np.concatenate(masks), np.concatenate(scores), count))
