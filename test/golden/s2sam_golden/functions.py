"""Loss, metrics, element-wise ops, reductions, input augmentation, random numbers and masks."""

import numpy as np
import torch
import torch.nn.functional as F

from . import counter, mixing
from .layers import FP32, far_from_zero, gradients, leaf
from .writer import SEED, Group


def softmax_cross_entropy():
    group = Group("softmax_cross_entropy", FP32)
    for n, classes, scale in ((1, 2, 1.0), (5, 10, 3.0), (16, 100, 3.0), (33, 10, 40.0), (20, 1000, 5.0)):
        for smoothing in (0.0, 0.1):
            case = group.case(f"{n}x{classes}-s{smoothing}", smoothing=smoothing)
            logits = leaf(case.normal("logits", (n, classes), 0, scale))
            labels = torch.from_numpy(case.integers("labels", (n,), classes)).long()
            loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
            dloss = case.uniform("dloss", (1,), 0.5, 2.0)
            (dlogits,) = torch.autograd.grad(loss, logits, torch.from_numpy(dloss[0:1]).double()[0])
            case.output("loss", loss.detach().numpy().reshape(1))
            case.output("probabilities", F.softmax(logits, dim=1).detach().numpy())
            case.output("dlogits", dlogits.numpy())
    return group


def top_k():
    """Ties go to the lower index, which torch.topk does not promise; a stable numpy sort does."""
    group = Group("top_k", 0)
    for n, classes, k, ties in ((5, 10, 1, False), (16, 100, 5, False), (33, 10, 5, True), (20, 7, 7, True)):
        case = group.case(f"{n}x{classes}-k{k}{'-ties' * ties}", k=k)
        x = case.integers("x", (n, classes), 4).astype(np.float32) if ties else case.normal("x", (n, classes))
        labels = case.integers("labels", (n,), classes)
        indices = np.argsort(-x, axis=1, kind="stable")[:, :k].astype(np.int32)
        case.output("values", np.take_along_axis(x, indices, axis=1))
        case.output("indices", indices)
        case.output("correct", np.array([(indices == labels[:, None]).any(axis=1).sum()], np.float32))
    return group


UNARY = {
    "relu": F.relu,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "square": torch.square,
}
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum}
REDUCE = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.max,
    "min": torch.min,
    "sumSquares": lambda x: torch.sum(x * x),
    "countNonzero": torch.count_nonzero,
}
ELEMENT_SHAPES = ((1,), (1000,), (33, 17), (5, 3, 7, 5), (16, 4, 3, 3))


def elementwise():
    group = Group("elementwise", FP32)
    for shape in ELEMENT_SHAPES:
        label = "x".join(map(str, shape))
        for op, function in UNARY.items():
            case = group.case(f"{op}-{label}", kind="unary", op=op)
            positive = op in ("log", "sqrt")
            x = case.uniform("x", shape, 0.1, 9.0) if positive else case.normal("x", shape, 0, 2)
            case.output("y", function(torch.from_numpy(x).double()).numpy())
        for op, function in BINARY.items():
            case = group.case(f"{op}-{label}", kind="binary", op=op)
            a = torch.from_numpy(case.normal("a", shape)).double()
            b = case.uniform("b", shape, 0.5, 2.0) if op == "div" else case.normal("b", shape)
            case.output("y", function(a, torch.from_numpy(b).double()).numpy())
        case = group.case(f"relu_backward-{label}", kind="relu_backward")
        x = leaf(case.normal("x", shape))
        far_from_zero(x)
        (dx,) = gradients(F.relu(x), case.normal("dy", shape), x)
        case.output("dx", dx)
        case = group.case(f"affine-{label}", kind="affine", scale=1.75, shift=-0.5)
        x = case.normal("x", shape).astype(np.float64)
        y = case.normal("y", shape).astype(np.float64)
        case.output("affine", 1.75 * x - 0.5)
        case.output("added", y + 1.75 * x)
    return group


def reductions():
    group = Group("reductions", FP32)
    for shape in ELEMENT_SHAPES + ((70000,), (20, 5, 9, 9)):
        case = group.case("x".join(map(str, shape)))
        x = case.normal("x", shape, 0.2).astype(np.float64)
        x[np.abs(x) < 0.3] = 0.0  # the test does the same: something to count
        for op, function in REDUCE.items():
            case.output(op, np.array([float(function(torch.from_numpy(x)))]))
    return group


def augment():
    """Crop of the image padded with black, flip, normalise; choices by the rule of ops.hpp, done here in torch; then mixed
    as torchvision does, by (lambda, x0, y0, x1, y1)."""
    group = Group("augment", FP32)
    mean, std = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
    for name, shape, batch, pad, flip, epoch, mix in (
        ("plain", (9, 3, 8, 8), 5, 0, False, 0, None),
        ("flip", (40, 3, 7, 6), 20, 0, True, 3, None),
        ("crop", (40, 3, 8, 8), 16, 4, False, 1, None),
        ("crop-flip", (40, 3, 9, 7), 33, 2, True, 7, None),
        ("grey", (10, 1, 6, 6), 5, 1, True, 2, None),
        ("mixup", (40, 3, 9, 7), 33, 2, True, 7, (0.375, 0, 0, 0, 0)),
        ("mixup-all-of-the-partner", (40, 3, 8, 8), 16, 4, False, 1, (0, 0, 0, 0, 0)),
        ("cutmix", (40, 3, 9, 7), 33, 2, True, 5, (1 - 12 / 63, 2, 1, 5, 5)),
        ("cutmix-corner", (40, 3, 7, 6), 20, 0, True, 3, (1 - 10 / 42, 4, 2, 6, 7)),
        ("cutmix-whole", (10, 1, 6, 6), 5, 1, True, 2, (0, 0, 0, 6, 6)),
    ):
        channels = {"mean": mean[: shape[1]], "std": std[: shape[1]]}
        case = group.case(name, pad=pad, flip=flip, epoch=epoch, **channels, seed=SEED, **({"mix": mix} if mix else {}))
        images = torch.from_numpy(case.pixels("images", shape))
        indices = case.integers("indices", (batch,), shape[0])
        key = counter.stream_key(SEED, "golden/augment/choices")
        m = torch.tensor(mean[: shape[1]], dtype=torch.float64).view(-1, 1, 1)
        s = torch.tensor(std[: shape[1]], dtype=torch.float64).view(-1, 1, 1)
        rows = []
        for index in indices:
            row, column, coin, _ = (int(word) for word in counter.philox(key, int(index), 0, epoch, 0))
            padded = F.pad(images[int(index)], (pad, pad, pad, pad))
            top, left = (row % (2 * pad + 1), column % (2 * pad + 1)) if pad else (0, 0)
            image = padded[:, top : top + shape[2], left : left + shape[3]]
            if flip and coin >> 31:
                image = torch.flip(image, dims=[2])
            rows.append((image.double() / 255 - m) / s)
        x = torch.stack(rows)
        case.output("y", (mixing.mixed(x, mix) if mix else x).numpy())
    return group


def random_numbers():
    group = Group("random", 1e-6)
    for count in (1, 7, 1000):
        case = group.case(f"{count}", seed=SEED, lo=-2.0, hi=3.0, mean=0.5, std=1.5)
        key = counter.stream_key(SEED, "golden/random", 11)
        case.output("uniform", counter.uniform(key, (count,), -2.0, 3.0))
        case.output("normal", counter.normal(key, (count,), 0.5, 1.5))
    case = group.case("stream_key")
    names = ("", "order", "init/conv1.weight", "mask/größe")
    keys = [counter.stream_key(seed, name, step) for seed in (0, 1, 2**31) for name in names for step in (0, 9)]
    case.record["params"] = {"seeds": [0, 1, 2**31], "names": names, "steps": [0, 9]}
    case.output("keys", np.array(keys, np.uint32))
    return group


def _ranked(scores):
    """Indices, largest score first; ties: lower index first; NaN last."""
    return np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")


def masks():
    group = Group("masks", 0)
    for shape, keep, drop, grow in (((7,), 3, 2, 1), ((4, 3, 3, 3), 40, 13, 22), ((50, 41), 205, 60, 61)):
        for ties in (False, True):
            name = f"{'x'.join(map(str, shape))}{'-ties' * ties}"
            case = group.case(name, keep=keep, drop=drop, grow=grow, seed=SEED)
            count = int(np.prod(shape))
            scores = case.integers("scores", shape, 3).astype(np.float32) if ties else case.normal("scores", shape)
            scores = scores.reshape(-1)
            start = counter.random_mask(counter.stream_key(SEED, "golden/mask"), (count,), keep)
            top = np.zeros(count)
            top[_ranked(scores)[:keep]] = 1
            dropped = start.copy()
            kept_ranked = [i for i in _ranked(scores) if start[i]]
            dropped[kept_ranked[len(kept_ranked) - drop :]] = 0
            grown = start.copy()
            grown[[i for i in _ranked(scores) if not start[i]][:grow]] = 1
            scattered = start.copy()
            order = counter.scatter_order(counter.stream_key(SEED, "golden/grow"), count)
            scattered[[i for i in order if not start[i]][:grow]] = 1
            for key, mask in (
                ("random", start),
                ("top_k", top),
                ("drop", dropped),
                ("grow", grown),
                ("grow_random", scattered),
            ):
                case.output(key, counter.pack_bits(mask), whole=True)
            checksum = counter.fnv1a64(counter.pack_bits(start).astype("<u4").tobytes())
            case.output("summary", np.array([keep, checksum & 0xFFFFFFFF, checksum >> 32], np.uint32))
    return group


def groups():
    return [
        softmax_cross_entropy(),
        top_k(),
        elementwise(),
        reductions(),
        augment(),
        random_numbers(),
        masks(),
    ]
