"""
The sparse-training methods, a plain reading of their papers and reference codes, on made-up weights and gradients. A trace is the
list of masks after `init` and after each update.
"""

import math

import numpy as np

from . import counter
from .selection import Together, apportion, draw, drop, floor, grow, grow_random, kept_of, ranked, top_k

SEED = 5


class Layer:
    def __init__(self, name, shape, role):
        self.name, self.shape, self.role = name, shape, role
        self.size = int(np.prod(shape))


LAYERS = [
    Layer("stem.weight", (6, 3, 3, 3), "stem"),
    Layer("body1.weight", (8, 6, 3, 3), "body"),
    Layer("body2.weight", (8, 8, 3, 3), "body"),
    Layer("fc.weight", (5, 8), "classifier"),
]
BODY = [layer.role == "body" for layer in LAYERS]
TOTAL = sum(layer.size for layer in LAYERS)
ALL = Together(LAYERS)


def values(what, moment):
    """What the network holds at a moment: uniform in [-1, 1), float32, per layer."""
    return [counter.uniform(counter.stream_key(SEED, f"trace/{what}/{l.name}", moment), (l.size,), -1, 1) for l in LAYERS]


def weights(moment, masks=None):
    drawn = values("weight", moment)
    return drawn if masks is None else [w * m for w, m in zip(drawn, masks)]


def erdos_renyi(density, kernel=True):
    """Kept weights per layer: RigL's sparse_utils, with the largest raw density moved to dense one round at a time."""
    raw = [sum(l.shape) / np.prod(l.shape) if kernel else sum(l.shape[:2]) / np.prod(l.shape[:2]) for l in LAYERS]
    dense = [False] * len(LAYERS)
    while True:
        budget = density * TOTAL - sum(l.size for l, d in zip(LAYERS, dense) if d)
        scale = budget / sum(r * l.size for r, l, d in zip(raw, LAYERS, dense) if not d)
        largest = max(r for r, d in zip(raw, dense) if not d)
        if scale * largest <= 1:
            return [l.size if d else kept_of(l.size, scale * r) for r, l, d in zip(raw, LAYERS, dense)]
        dense = [d or r == largest for r, d in zip(raw, dense)]


def drawn_masks(counts):
    return [draw(l.size, kept, SEED, l.name) for l, kept in zip(LAYERS, counts)]


def cosine(begin, end, progress):
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2


def rigl():
    trace = [drawn_masks(erdos_renyi(0.3))]
    for step in (0, 10, 20, 30):
        masks, gradients = trace[-1], values("gradient", step)
        count = [floor(m.sum() * cosine(0.3, 0, step / 75)) if not m.all() else 0 for m in masks]
        dropped = [drop(m, abs(w), n) for m, w, n in zip(masks, weights(step, masks), count)]
        trace.append([grow(m, abs(g), n) for m, g, n in zip(dropped, gradients, count)])
    return trace


def set_by_magnitude():
    trace = [drawn_masks(erdos_renyi(0.3))]
    for step in (0, 10, 20, 30):
        masks = trace[-1]
        count = [floor(m.sum() * cosine(0.3, 0, step / 75)) if not m.all() else 0 for m in masks]
        dropped = [drop(m, abs(w), n) for m, w, n in zip(masks, weights(step, masks), count)]
        trace.append([grow_random(m, n, SEED, l.name, step + 1) for l, m, n in zip(LAYERS, dropped, count)])
    return trace


def set_by_sign():
    trace = [drawn_masks(erdos_renyi(0.3, kernel=False))]
    for step in (0, 10, 20):
        after = []
        for layer, mask, w in zip(LAYERS, trace[-1], weights(step, trace[-1])):
            positive, negative = mask & (w > 0), mask & (w <= 0)
            left = drop(positive, w, floor(0.3 * positive.sum())) | drop(negative, -w, floor(0.3 * negative.sum()))
            gone = int(mask.sum() - left.sum())
            after.append(mask if mask.all() else grow_random(left, gone, SEED, layer.name, step + 1))
        trace.append(after)
    return trace


def mest(stages, gradient_weight):
    """stages: (first epoch, dropped to, grown to), densities; 160 epochs of 10 steps."""
    target = [kept_of(l.size, stages[-1][2]) if body else l.size for l, body in zip(LAYERS, BODY)]
    trace = [[top_k(abs(w), n) for w, n in zip(weights(-1), target)]]
    for epoch in (0, 5, 90, 120, 125):
        _, drop_to, grow_to = [stage for stage in stages if stage[0] <= epoch][-1]
        step, after = epoch * 10, []
        for layer, body, mask, w, g in zip(LAYERS, BODY, trace[-1], weights(epoch, trace[-1]), values("gradient", epoch)):
            if body:
                score = abs(w) + np.float32(gradient_weight) * abs(g * mask)
                mask = drop(mask, score, max(0, int(mask.sum()) - kept_of(layer.size, drop_to)))
                more = max(0, kept_of(layer.size, grow_to) - int(mask.sum()))
                mask = grow_random(mask, more, SEED, layer.name, step + 1)
            after.append(mask)
        trace.append(after)
    return trace


def mest_em():
    return mest([(0, 0.08, 0.1), (90, 0.09, 0.1), (120, 0.1, 0.1)], 0.0)


def mest_ems():
    return mest([(0, 0.1, 0.15), (90, 0.1, 0.125), (120, 0.1, 0.1)], 0.5)


def dsr():
    """Thresholds come with the masks: a list of (masks, threshold)."""
    masks = [draw(l.size, kept_of(l.size, 0.3) if body else l.size, SEED, l.name) for l, body in zip(LAYERS, BODY)]
    threshold, trace, thresholds = 0.05, [masks], []
    body = [i for i, b in enumerate(BODY) if b]
    for step in (10, 20, 30, 40, 50):
        before, w, after = trace[-1], weights(step, trace[-1]), list(trace[-1])
        for i in body:
            above = before[i] & (abs(w[i]) >= np.float32(threshold))
            after[i] = above if above.any() else before[i] & top_k(np.where(before[i], abs(w[i]), -1), 1)
        survived = [int(after[i].sum()) for i in body]
        dropped = sum(int(before[i].sum()) for i in body) - sum(survived)
        target = 0.2 * sum(int(before[i].sum()) for i in body)
        room = [int((~before[i]).sum()) for i in body]
        for i, count in zip(body, apportion(dropped, survived, room)):
            after[i] = grow_random(after[i], count, SEED, LAYERS[i].name, step + 1, taken=before[i])
        if dropped > 1.1 * target:
            threshold /= 2
        elif dropped < 0.9 * target:
            threshold *= 2
        trace.append(after)
        thresholds.append(threshold)
    return trace, thresholds


def snfs():
    trace, smoothed = [drawn_masks(erdos_renyi(0.3))], [np.zeros(l.size, np.float32) for l in LAYERS]
    for step in (0, 10, 20, 30):
        for k in range(3):
            seen = values("gradient", 100 * step + k)
            smoothed = [np.float32(0.9) * m + np.float32(0.1) * g for m, g in zip(smoothed, seen)]
        masks = trace[-1]
        share = cosine(0.5, 0, step / 100)
        left = [drop(m, abs(w), floor(m.sum() * share)) for m, w in zip(masks, weights(step, masks))]
        gone = sum(int(m.sum()) for m in masks) - sum(int(m.sum()) for m in left)
        means = [float(abs(s[m]).astype(np.float64).mean()) for s, m in zip(smoothed, left)]
        counts = apportion(gone, means, [int((~m).sum()) for m in left])
        trace.append([grow(m, abs(s), n) for m, s, n in zip(left, smoothed, counts)])
    return trace


def gradual(across):
    trace = [[np.ones(l.size, bool) for l in LAYERS]]
    for step in (20, 40, 60, 80):
        progress = (step - 20) / 60
        density = 0.1 + 0.9 * (1 - progress) ** 3
        masks, scores = trace[-1], [abs(w) for w in weights(step, trace[-1])]
        if across:
            gone = sum(int(m.sum()) for m in masks) - kept_of(TOTAL, density)
            trace.append(ALL.apply(drop, masks, scores, gone))
        else:
            gone = [int(m.sum()) - kept_of(l.size, density) for l, m in zip(LAYERS, masks)]
            trace.append([drop(m, s, n) for m, s, n in zip(masks, scores, gone)])
    return trace


def lottery_ticket():
    trace = [[np.ones(l.size, bool) for l in LAYERS]]
    for round_, density in ((1, 0.5), (2, 0.25), (3, 0.125), (4, 0.1)):
        masks = trace[-1]
        scores = [abs(w) for w in weights(round_, masks)]
        gone = sum(int(m.sum()) for m in masks) - kept_of(TOTAL, density)
        trace.append(ALL.apply(drop, masks, scores, gone))
    return trace


def snip(by_layer):
    scores = [abs(w * g) for w, g in zip(weights(-1), values("gradient", -1))]
    if by_layer:
        return [[top_k(s, n) for s, n in zip(scores, erdos_renyi(0.1))]]
    return [ALL.split(top_k(np.concatenate(scores), kept_of(TOTAL, 0.1)))]


def grasp():
    """On the loss 0.5 w'Aw with A = diag(d) + uu': gradient Aw, score -w * A A w, the smallest are kept."""
    w, d, u = (np.concatenate(values(what, -1)).astype(np.float64) for what in ("weight", "diagonal", "vector"))
    times = lambda x: d * x + u * (u @ x)  # noqa: E731
    return [ALL.split(top_k(w * times(times(w)), kept_of(TOTAL, 0.1)))]


# Channels: (producer, consumer) by index of layer; each group has one batch norm.
GROUPS = [(0, 1), (1, 2), (2, 3)]


def living_weights(alive):
    """Per layer, the weights between living channels."""
    result = [np.ones(l.shape, bool) for l in LAYERS]
    for (producer, consumer), living in zip(GROUPS, alive):
        result[producer][~living] = False
        result[consumer][:, ~living] = False
    return [mask.reshape(-1) for mask in result]


def chase():
    trace = [drawn_masks(erdos_renyi(0.3))]
    alive = [np.ones(LAYERS[p].shape[0], bool) for p, _ in GROUPS]
    base = kept_of(TOTAL, 0.3)
    for step in (5, 10, 15, 20, 25, 40, 45, 50):
        masks, w, g, progress = trace[-1], weights(step, trace[-1]), values("gradient", step), step / 100
        before = target = sum(int(m.sum()) for m in masks)
        if step % 10 == 0:
            if progress < 0.4:
                gone, target = before - base, kept_of(TOTAL, cosine(0.35, 0.3, progress / 0.4))
            else:
                share = cosine(0.5, 0.005, (progress - 0.4) / 0.6)
                gone, target = before - min(base, before - floor(before * share)), base
            masks = ALL.apply(drop, masks, [abs(x) for x in w], gone)
        else:
            due = 0.4 * (1 - (1 - min(1, progress / 0.8)) ** 3)
            goal = floor(sum(a.size for a in alive) * due)
            means = [abs(w[p]).reshape(LAYERS[p].shape[0], -1).astype(np.float64).mean(axis=1) for p, _ in GROUPS]
            order = sorted((means[i][c], i, c) for i, a in enumerate(alive) for c in range(a.size) if a[c])
            for _, i, c in order:
                if sum(int((~a).sum()) for a in alive) >= goal:
                    break
                if alive[i].sum() > max(1, floor(alive[i].size * 0.6 * 0.5)):
                    alive[i][c] = False
            masks = [m & living for m, living in zip(masks, living_weights(alive))]
        living = living_weights(alive)
        scores = [np.where(ok, abs(x), -1) for x, ok in zip(g, living)]
        trace.append(ALL.apply(grow, masks, scores, target - sum(int(m.sum()) for m in masks)))
    return trace


def chex():
    first = [abs(w).reshape(LAYERS[p].shape[0], -1).sum(axis=1, dtype=np.float64) for (p, _), w in zip(GROUPS, weights(-1))]
    alive = [top_k(norm, floor(norm.size * 0.8)) for norm in first]
    trace, last = [living_weights(alive)], weights(-1)
    for epoch in (1, 2, 3, 4):
        now = weights(epoch, trace[-1])
        last = [np.where(m, n, old) for m, n, old in zip(trace[-1], now, last)]
        regrown = 0.3 / 2 * (1 + math.cos(math.pi * epoch / 7))
        gammas = [abs(g) * a for g, a in zip(gammas_at(epoch), alive)]
        down, up = (above_quantile(gammas, q) for q in (0.5, 0.5 - regrown))
        alive = [explore(i, last, alive[i], max(1, down[i]), up[i], epoch) for i in range(len(GROUPS))]
        trace.append(living_weights(alive))
    return trace


def gammas_at(moment):
    sizes = [LAYERS[p].shape[0] for p, _ in GROUPS]
    return [
        counter.uniform(counter.stream_key(SEED, f"trace/gamma/{i}", moment), (size,), -1, 1) for i, size in enumerate(sizes)
    ]


def above_quantile(gammas, quantile):
    """How many of each group lie above the quantile of all."""
    ordered = np.sort(np.concatenate(gammas))
    cut = floor(ordered.size * quantile)
    threshold = ordered[cut - 1] if cut else -1
    return [int((g > threshold).sum()) for g in gammas]


def explore(group, last, alive, keep, up, epoch):
    """CPSS: leverage scores from the singular vectors; what comes back is drawn by the residual of the projection."""
    producer = GROUPS[group][0]
    channels = alive.size
    matrix = last[producer].reshape(channels, -1).astype(np.float64).T
    _, _, right = np.linalg.svd(matrix * alive, full_matrices=False)
    scores = (right[:keep] ** 2).sum(axis=0)
    kept = np.zeros(channels, bool)
    kept[ranked(np.where(alive, scores, -1))[:keep]] = True
    basis, _ = np.linalg.qr(matrix[:, kept])
    distance = np.linalg.norm(matrix - basis @ (basis.T @ matrix), axis=0)
    name = LAYERS[producer].name.removesuffix(".weight")
    words, _, _, _ = counter.philox(counter.stream_key(SEED, f"regrow/{name}", epoch * 10), np.arange(channels))
    noise = -np.log(-np.log((words.astype(np.float64) + 0.5) / 2**32))
    back = min(max(0, up - keep), channels - keep)
    lots = np.where(kept, -np.inf, distance + noise)
    kept[ranked(lots)[:back]] = True
    return kept


def traces():
    """Masks after init and after each update, per method, and DSR's thresholds."""
    dsr_trace, thresholds = dsr()
    methods = {
        "rigl": rigl(),
        "set": set_by_magnitude(),
        "set by sign": set_by_sign(),
        "mest em": mest_em(),
        "mest em&s": mest_ems(),
        "dsr": dsr_trace,
        "snfs": snfs(),
        "gradual": gradual(across=False),
        "gradual over all layers": gradual(across=True),
        "lt": lottery_ticket(),
        "snip": snip(by_layer=False),
        "snip by layers": snip(by_layer=True),
        "grasp": grasp(),
        "chase": chase(),
        "chex": chex(),
    }
    return methods, thresholds
