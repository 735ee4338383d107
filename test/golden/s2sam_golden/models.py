"""Logits and gradients of the large networks at their first step."""

import numpy as np
import torch
import torch.nn.functional as F

from . import networks
from .writer import SEED, Group

# Evaluation, at the running statistics, is compared on all gradients: for these inputs no ReLU input is near enough to zero to change
# sides in fp32. With the statistics of a small batch some always do, and gradients of early layers differ by percents; of training
# the logits and the last gradients are compared.
CASES = {
    "resnet50": (networks.ResNet50, {"evaluation": (2, 64), "training": (2, 64)}),
    "vgg19": (networks.Vgg19, {"evaluation": (2, 32), "training": (8, 32)}),
}
CLASSES = 10
# Gradients stored by name; of evaluation also the norms of all.
GRADIENTS = {
    ("resnet50", "evaluation"): [
        "conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.downsample.0.weight", "layer2.0.conv2.weight",
        "layer3.5.bn3.weight", "layer4.2.conv3.weight", "fc.weight", "fc.bias",
    ],
    ("resnet50", "training"): ["layer4.2.bn3.bias", "fc.bias"],
    ("vgg19", "evaluation"): ["feature.0.weight", "feature.1.bias", "feature.24.weight", "feature.50.weight", "classifier.weight"],
    ("vgg19", "training"): ["classifier.bias"],
}  # fmt: skip


def pass_of(network, training, dtype, x, labels):
    """Logits and gradients by name."""
    model = networks.initialise(network(classes=CLASSES)).to(dtype).train(training)
    logits = model(torch.from_numpy(x).to(dtype))
    F.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters()}


def relative(single, double):
    return float((single.double() - double).abs().max() / double.abs().max())


def group(name):
    group = Group(name, 1e-4)
    network, cases = CASES[name]
    for mode, (batch, side) in cases.items():
        training = mode == "training"
        case = group.case(mode, training=training, classes=CLASSES, seed=SEED)
        x = case.normal("x", (batch, 3, side, side))
        labels = case.integers("labels", (batch,), CLASSES)
        logits, gradients = pass_of(network, training, torch.float64, x, labels)
        single_logits, single = pass_of(network, training, torch.float32, x, labels)
        named = GRADIENTS[name, mode]
        compared = named if training else list(gradients)
        spread = [relative(single_logits, logits), *(relative(single[key], gradients[key]) for key in compared)]
        case.record["params"]["fp32_spread"] = max(spread)
        case.record["params"]["gradients"] = named
        case.output("logits", logits.numpy(), whole=True)
        for key in named:
            case.output(f"gradient/{key}", gradients[key].numpy())
        if not training:
            case.record["params"]["names"] = compared
            case.output("gradient_norms", np.array([g.norm().item() for g in gradients.values()]), whole=True)
    return group


def groups():
    return [group(name) for name in CASES]
