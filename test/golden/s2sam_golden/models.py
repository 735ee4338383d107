"""Logits and gradients of the large networks at their first step."""

from functools import partial

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
    "wideResnet50_2": (partial(networks.ResNet50, widening=2), {"evaluation": (2, 64), "training": (3, 40)}),
    "wideResnet16_4": (partial(networks.WideResNet, 16, 4), {"evaluation": (2, 16), "training": (8, 32)}),
    "vgg16Imagenet": (
        partial(networks.VggImagenet, divisor=16, hidden=32),
        {"evaluation": (2, 224), "training": (2, 224), "evaluation-448": (1, 448)},
    ),
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
    ("wideResnet50_2", "evaluation"): [
        "conv1.weight", "layer1.0.conv2.weight", "layer1.0.downsample.0.weight", "layer2.0.conv2.weight", "layer3.5.bn2.weight",
        "layer4.2.conv3.weight", "fc.weight",
    ],
    ("wideResnet50_2", "training"): ["layer4.2.bn3.bias", "fc.bias"],
    ("wideResnet16_4", "evaluation"): [
        "conv1.weight", "block1.layer.0.bn1.weight", "block1.layer.0.convShortcut.weight", "block2.layer.0.conv1.weight",
        "block3.layer.1.conv2.weight", "bn1.bias", "fc.weight",
    ],
    ("wideResnet16_4", "training"): ["bn1.bias", "fc.weight", "fc.bias"],
    ("vgg16Imagenet", "evaluation"): [
        "features.0.weight", "features.0.bias", "features.1.weight", "features.24.bias", "features.40.bias", "classifier.0.weight",
        "classifier.3.bias", "classifier.6.weight",
    ],
    ("vgg16Imagenet", "training"): ["classifier.3.bias", "classifier.6.weight"],
    ("vgg16Imagenet", "evaluation-448"): ["classifier.0.weight"],
    ("vgg19", "evaluation"): ["feature.0.weight", "feature.1.bias", "feature.24.weight", "feature.50.weight", "classifier.weight"],
    ("vgg19", "training"): ["classifier.bias"],
}  # fmt: skip


def convolution_biases(model):
    """Names and parameters, in the order of the network."""
    return [
        (f"{name}.bias", layer.bias)
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None
    ]


def pass_of(network, training, dtype, x, labels, biases):
    """Logits, gradients by name, and the running means of batch norm behind."""
    model = networks.initialise(network(classes=CLASSES)).to(dtype).train(training)
    for (_, bias), values in zip(convolution_biases(model), biases, strict=True):
        bias.data.copy_(torch.from_numpy(values))
    logits = model(torch.from_numpy(x).to(dtype))
    F.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
    means = {name: value for name, value in model.named_buffers() if name.endswith("running_mean")}
    return logits.detach(), {name: p.grad for name, p in model.named_parameters()}, means


def relative(single, double):
    return float((single.double() - double).abs().max() / double.abs().max())


def group(name):
    group = Group(name, 1e-4)
    network, cases = CASES[name]
    for mode, (batch, side) in cases.items():
        training = mode == "training"
        case = group.case(mode, training=training, classes=CLASSES, seed=SEED)
        biased = convolution_biases(network(classes=CLASSES))
        biases = [case.normal(key, tuple(bias.shape), 0, 0.5) for key, bias in biased]
        x = case.normal("x", (batch, 3, side, side))
        labels = case.integers("labels", (batch,), CLASSES)
        logits, gradients, means = pass_of(network, training, torch.float64, x, labels, biases)
        single_logits, single, _ = pass_of(network, training, torch.float32, x, labels, biases)
        named = GRADIENTS[name, mode]
        compared = list(gradients) if mode == "evaluation" else named
        spread = [relative(single_logits, logits), *(relative(single[key], gradients[key]) for key in compared)]
        case.record["params"]["fp32_spread"] = max(spread)
        case.record["params"]["gradients"] = named
        case.output("logits", logits.numpy(), whole=True)
        for key in named:
            case.output(f"gradient/{key}", gradients[key].numpy())
        if mode == "evaluation":
            case.record["params"]["names"] = compared
            case.output("gradient_norms", np.array([g.norm().item() for g in gradients.values()]), whole=True)
        if biased:
            case.record["params"]["biases"] = [key for key, _ in biased]
            if training:
                for key in list(means)[:2]:
                    case.output(key, means[key].numpy(), whole=True)
    return group


def groups():
    return [group(name) for name in CASES]
