"""Twenty steps of every optimizer on a small net, and ResNet-32 loss curves."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from . import counter, networks
from .sharpness import Trainer
from .writer import SEED, Group

STEPS = 20
SMALL_BATCH = (20, 3, 8, 8)
SMALL_MASKS = {"conv1.weight": 0.5, "conv2.weight": 0.2, "fc.weight": 0.5}

MOMENTUM = {"lr": 0.1, "momentum": 0.9}
DECAY = {**MOMENTUM, "weightDecay": 5e-3}
OPTIMIZERS = {
    "sgd": {"lr": 0.1},
    "sgd-momentum": MOMENTUM,
    "sgd-nesterov-decay": {**DECAY, "nesterov": True},
    "sgd-decay-weights-only": {**DECAY, "decayWeightsOnly": True},
    "sgd-clip": {**DECAY, "maxGradNorm": 0.5},
    "sgd-masked": {**DECAY, "masks": True},
    "sam": {**DECAY, "kind": "sam"},
    "sam-masked": {**DECAY, "kind": "sam", "masks": True},
    "sam-dense-policy": {**DECAY, "kind": "sam", "masks": True, "policy": "dense"},
    "sam-adaptive": {**DECAY, "kind": "sam", "adaptive": True, "rho": 0.5},
    "s2sam": {**DECAY, "kind": "s2sam"},
    "s2sam-wide": {**MOMENTUM, "kind": "s2sam", "rho": 0.2},
    "s2sam-nesterov-clip": {**DECAY, "kind": "s2sam", "nesterov": True, "maxGradNorm": 0.5},
    "s2sam-masked": {**DECAY, "kind": "s2sam", "masks": True},
    "s2sam-dense-policy": {**DECAY, "kind": "s2sam", "masks": True, "policy": "dense"},
    "s2sam-adaptive": {**DECAY, "kind": "s2sam", "adaptive": True, "rho": 0.5},
    "s2sam-adaptive-masked": {**DECAY, "kind": "s2sam", "adaptive": True, "rho": 0.5, "masks": True},
    "s2sam-adaptive-dense-policy": {
        **DECAY, "kind": "s2sam", "adaptive": True, "rho": 0.5, "masks": True, "policy": "dense",
    },
}  # fmt: skip


def small_batch(step):
    x = counter.normal(counter.stream_key(SEED, "golden/small/x", step), SMALL_BATCH)
    labels = counter.integers(counter.stream_key(SEED, "golden/small/labels", step), SMALL_BATCH[:1], 10)
    return torch.from_numpy(x), torch.from_numpy(labels).long()


def run(model, batch_of, dtype, options, masks):
    """Losses (one list per pass), gradient norms and the trained model."""
    options = dict(options)
    options.pop("masks", None)
    model = model.to(dtype)
    trainer = Trainer(model, masks, **options)
    losses, norms = [], []
    for step in range(STEPS):
        x, labels = batch_of(step)
        passes, norm = trainer.step(lambda: F.cross_entropy(model(x.to(dtype)), labels))
        losses.append(passes)
        norms.append(norm)
    return np.array(losses).T, np.array(norms), trainer


def spread(a, b):
    """Largest difference, relative to the largest value."""
    return float(np.abs(np.asarray(a) - np.asarray(b)).max() / max(np.abs(np.asarray(b)).max(), 1e-30))


def optimizers():
    group = Group("optimizers", 1e-4)
    for name, options in OPTIMIZERS.items():
        case = group.case(name, **{"kind": "sgd", **options}, batch=list(SMALL_BATCH), steps=STEPS, seed=SEED)
        results = {}
        for dtype in (torch.float64, torch.float32):
            model = networks.initialise(networks.SmallNet())
            masks = networks.draw_masks(model, SMALL_MASKS) if options.get("masks") else {}
            results[dtype] = run(model, small_batch, dtype, options, masks)
        losses, norms, trainer = results[torch.float64]
        single = results[torch.float32][2]
        drift = spread(results[torch.float32][0], losses)
        case.output("losses", losses[0])
        if len(losses) > 1:
            case.output("perturbed_losses", losses[1])
        case.output("grad_norms", norms)
        for key, value in trainer.model.state_dict().items():
            if key.endswith("num_batches_tracked"):
                continue
            drift = max(drift, spread(single.model.state_dict()[key], value))
            case.output(key, value.numpy(), whole=True)
        if options.get("momentum"):
            case.output("momentum/conv2.weight", trainer.momentum("conv2.weight").numpy(), whole=True)
        case.record["params"]["fp32_spread"] = drift
        if options.get("masks"):
            case.record["params"]["masks"] = SMALL_MASKS
    return group


CURVE_IMAGES, CURVE_BATCH = 128, 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Rounding errors grow with every step, the faster the larger the learning rate: at 0.02 two fp32 runs are 1e-2 apart after
# twenty steps. These rates keep fp32_spread, recorded with each curve, well below the tolerance.
CURVES = {
    "dense-sgd": {"lr": 0.002, "momentum": 0.9, "weightDecay": 5e-4},
    "sparse-s2sam": {"kind": "s2sam", "lr": 0.001, "momentum": 0.9, "weightDecay": 5e-4, "rho": 0.05},
}
CURVE_DENSITY = {"dense-sgd": None, "sparse-s2sam": 0.1}


def curve_batch(step):
    """Noise images with random labels: 4 batches, seen 5 times, in the order of the data set."""
    images = counter.pixels(counter.stream_key(SEED, "golden/curve/images"), (CURVE_IMAGES, 3, 32, 32))
    labels = counter.integers(counter.stream_key(SEED, "golden/curve/labels"), (CURVE_IMAGES,), 10)
    chosen = [(step * CURVE_BATCH + i) % CURVE_IMAGES for i in range(CURVE_BATCH)]
    mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (MEAN, STD))
    return (torch.from_numpy(images[chosen]).double() / 255 - mean) / std, torch.from_numpy(labels[chosen]).long()


def curves():
    group = Group("curves", 1e-3)
    for name, options in CURVES.items():
        density = CURVE_DENSITY[name]
        parameters = {"kind": "sgd", **options, "density": density, "images": CURVE_IMAGES, "batch": CURVE_BATCH}
        case = group.case(name, **parameters, mean=MEAN, std=STD, steps=STEPS, seed=SEED)
        for dtype, label in ((torch.float64, "losses"), (torch.float32, "losses_fp32")):
            model = networks.initialise(networks.CifarResNet())
            count = sum(p.numel() for p in model.parameters())
            assert count == 1_860_522, count
            body = [n for n, p in model.named_parameters() if n.startswith("layer") and ".conv" in n]
            masks = networks.draw_masks(model, dict.fromkeys(body, density)) if density else {}
            losses, norms, _ = run(model, curve_batch, dtype, options, masks)
            assert all(math.isfinite(v) for v in losses[0])
            case.output(label, losses[0])
            if dtype == torch.float64:
                case.output("grad_norms", norms)
                reference = losses[0]
        case.record["params"]["fp32_spread"] = spread(losses[0], reference)
    return group


def first_gradients():
    """Norm of every parameter's gradient and the logits at step 0: tells where a wrong curve begins."""
    group = Group("resnet32", 1e-4)
    case = group.case("step0", batch=CURVE_BATCH, images=CURVE_IMAGES, mean=MEAN, std=STD, seed=SEED)
    norms = {}
    for dtype in (torch.float32, torch.float64):
        model = networks.initialise(networks.CifarResNet()).to(dtype)
        x, labels = curve_batch(0)
        logits = model(x.to(dtype))
        F.cross_entropy(logits, labels).backward()
        norms[dtype] = np.array([p.grad.norm().item() for p in model.parameters()])
    case.record["params"]["names"] = [name for name, _ in model.named_parameters()]
    # ReLU inputs near zero fall on different sides in fp32, so that gradients of whole channels differ a little.
    case.record["params"]["fp32_norm_spread"] = float(np.abs(norms[torch.float32] / norms[torch.float64] - 1).max())
    case.output("logits", logits.detach().numpy(), whole=True)
    case.output("gradient_norms", norms[torch.float64], whole=True)
    return group


def groups():
    return [optimizers(), first_gradients(), curves()]
