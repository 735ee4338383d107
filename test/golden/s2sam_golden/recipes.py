"""What recipes add to the loop: mixed batches, an average of the weights, gradients of several micro-batches."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import counter, mixing, networks
from .sharpness import Trainer
from .writer import SEED, Group

CLASSES, STEPS, SMOOTHING = 10, 6, 0.1
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
MASKS = {"conv1.weight": 0.5, "conv2.weight": 0.2}
BASE = {"lr": 0.1, "momentum": 0.9, "weightDecay": 5e-3}


def _data(case, size, dtype):
    """All steps' images, normalised, and labels."""
    images = torch.from_numpy(case.pixels("images", (size, 3, 8, 8)))
    labels = torch.from_numpy(case.integers("labels", (size,), CLASSES)).long()
    mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (MEAN, STD))
    return ((images.double() / 255 - mean) / std).to(dtype), labels


def _small_net(masks, dtype):
    model = networks.initialise(networks.SmallNet(CLASSES))
    return model.to(dtype), networks.draw_masks(model, masks) if masks else {}


def _store(case, model, prefix=""):
    for key, value in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            case.output(prefix + key, value.numpy(), whole=True)


MIXUP = [[0.8, 0, 0, 0, 0], [0.3, 0, 0, 0, 0], [0.55, 0, 0, 0, 0]]
CUTMIX = [[1 - 20 / 64, 1, 2, 5, 7], [1 - 48 / 64, 0, 1, 8, 7], [1 - 9 / 64, 5, 0, 8, 3]]
MIXED = {
    "mixup": {"mixes": MIXUP + MIXUP},
    "cutmix": {"mixes": CUTMIX + CUTMIX},
    "both-s2sam-masked": {"mixes": MIXUP + CUTMIX, "kind": "s2sam", "masks": MASKS},
    "both-sam": {"mixes": MIXUP + CUTMIX, "kind": "sam"},
}


def mixed_steps():
    """Steps on mixed batches, with the average of the weights that PyTorch keeps beside them."""
    group = Group("mixed_steps", 1e-4)
    batch = 20
    for name, options in MIXED.items():
        for decay, warmup in ((0.9, False), (0.9, True)):
            masks = options.get("masks")
            case = group.case(
                f"{name}{'-warmup' * warmup}",
                **{"kind": "sgd", **BASE, **options},
                batch=batch, steps=STEPS, smoothing=SMOOTHING, mean=MEAN, std=STD, seed=SEED, decay=decay, warmup=warmup,
            )  # fmt: skip
            x, labels = _data(case, batch * STEPS, torch.float64)
            model, drawn = _small_net(masks, torch.float64)
            trainer = Trainer(model, drawn, kind=options.get("kind", "sgd"), **BASE)
            average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
            average.update_parameters(model)  # the first one copies
            losses, correct = [], []
            for step, mix in enumerate(options["mixes"]):
                rows = slice(step * batch, (step + 1) * batch)
                inputs, soft = mixing.mixed_batch(x[rows], labels[rows], mix, CLASSES)
                right = []

                def loss_of():
                    logits = model(inputs)
                    right.append(int((logits.argmax(1) == soft.argmax(1)).sum()))
                    return F.cross_entropy(logits, soft, label_smoothing=SMOOTHING)

                losses.append(trainer.step(loss_of)[0][0])
                correct.append(right[0])
                now = min(decay, (1 + step) / (10 + step)) if warmup else decay
                average.multi_avg_fn = get_ema_multi_avg_fn(now)
                average.update_parameters(model)
            case.output("losses", np.array(losses))
            case.output("correct", np.array(correct, np.float32))
            _store(case, model)
            _store(case, average.module, "average/")
    return group


ACCUMULATED = {
    "sgd-clip": {"maxGradNorm": 0.5},
    "sam": {"kind": "sam"},
    "s2sam-masked": {"kind": "s2sam", "masks": MASKS},
    "s2sam-adaptive": {"kind": "s2sam", "adaptive": True, "rho": 0.5},
}


def accumulated_steps():
    """Steps along the mean gradient of three micro-batches, each with batch statistics of its own."""
    group = Group("accumulated_steps", 1e-4)
    batch, parts = 6, 3
    for name, options in ACCUMULATED.items():
        case = group.case(
            name, **{"kind": "sgd", **BASE, **options}, batch=batch, parts=parts, steps=STEPS, mean=MEAN, std=STD, seed=SEED
        )
        x, labels = _data(case, batch * parts * STEPS, torch.float64)
        model, masks = _small_net(options.get("masks"), torch.float64)
        trainer = Trainer(model, masks, **BASE, **{key: v for key, v in options.items() if key != "masks"})
        losses, norms = [], []
        for step in range(STEPS):
            first = step * batch * parts
            rows = [slice(first + part * batch, first + (part + 1) * batch) for part in range(parts)]
            passes, norm = trainer.step(lambda: sum(F.cross_entropy(model(x[r]), labels[r]) for r in rows) / parts)
            losses.append(passes[0])
            norms.append(norm)
        case.output("losses", np.array(losses))
        case.output("grad_norms", np.array(norms))
        _store(case, model)
    return group


def boxes():
    """CutMix's box and the share that is left, for shares and middles all over an image."""
    group = Group("cutmix_boxes", 1e-6)
    for height, width in ((8, 8), (32, 32), (224, 192)):
        case = group.case(f"{height}x{width}", size=[height, width])
        count = 60
        shares = case.uniform("shares", (count,), 0, 1)
        xs, ys = case.integers("x", (count,), width), case.integers("y", (count,), height)
        made = [
            mixing.cutmix_params(float(share), int(x), int(y), height, width) for share, x, y in zip(shares, xs, ys)
        ]
        case.output("boxes", np.array([box for box, _ in made], np.float32), whole=True)
        case.output("left", np.array([left for _, left in made]), whole=True)
    return group


def groups():
    return [mixed_steps(), accumulated_steps(), boxes()]
