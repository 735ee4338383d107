"""GraSP's scores of a small network, by PyTorch's double backward in float64."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from . import counter

SEED, CLASSES, PER_CLASS, SIDE = 11, 4, 10, 8


class Net(nn.Module):
    """`tinyNet` of the tests."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean(dim=(2, 3)))


def _drawn(stream, parameter, std):
    values = counter.normal(counter.stream_key(SEED, stream), tuple(parameter.shape), 0, std)
    parameter.data = torch.from_numpy(values.astype(np.float64))


def network():
    net = Net().double()
    for name in ("conv1", "conv2"):
        weight = getattr(net, name).weight
        _drawn(f"init/{name}.weight", weight, math.sqrt(2 / (weight.shape[0] * 9)))
    _drawn("redraw/fc.weight", net.fc.weight, math.sqrt(2 / (24 + CLASSES)))
    nn.init.zeros_(net.fc.bias)
    return net.train()


def images():
    """Pixels and labels; image i is of class i % CLASSES, brighter the larger its class."""
    count = CLASSES * PER_CLASS
    noise = counter.pixels(counter.stream_key(SEED, "grasp/images"), (count, 3, SIDE, SIDE)) >> 1
    labels = np.arange(count) % CLASSES
    return noise + (30 * labels).astype(np.uint8)[:, None, None, None], labels


def scores():
    """w * (H g) per layer, logits divided by 200, two halves that share no class."""
    pixels, labels = images()
    x = torch.from_numpy((pixels / 255 - 0.4) / 0.25)
    y = torch.from_numpy(labels)
    net = network()
    weights = [net.conv1.weight, net.conv2.weight, net.fc.weight]
    halves = [y < CLASSES // 2, y >= CLASSES // 2]

    def gradient(half, **options):
        return torch.autograd.grad(cross_entropy(net(x[half]) / 200, y[half]), weights, **options)

    constant = [sum(parts) for parts in zip(*(gradient(half) for half in halves))]
    product = [torch.zeros_like(w) for w in weights]
    for half in halves:
        inner = sum((g * h).sum() for g, h in zip(constant, gradient(half, create_graph=True)))
        product = [p + hg for p, hg in zip(product, torch.autograd.grad(inner, weights))]
    names = ("conv1.weight", "conv2.weight", "fc.weight")
    return {name: (w * p).detach().numpy().astype(np.float32) for name, w, p in zip(names, weights, product)}
