"""Convolution, linear, batch norm and pooling: outputs and every gradient, by PyTorch's autograd in float64.

Inputs are the fp32 numbers both sides make, so float64 gives the exact answer to within the F32 it is stored in.
"""

import numpy as np
import torch
import torch.nn.functional as F

from .writer import Group

FP32 = 1e-5


def leaf(array):
    return torch.from_numpy(array).double().requires_grad_(True)


def gradients(y, dy, *leaves):
    return [g.numpy() for g in torch.autograd.grad(y, leaves, torch.from_numpy(dy).double())]


def far_from_zero(pre):
    """A ReLU input this close to 0 could fall on the other side in fp32 and change a gradient by a whole element."""
    smallest = pre.detach().abs().min().item()
    assert smallest > 1e-6, f"a ReLU input is {smallest}: choose another case name"


# name: (N, C, H, W), out channels, kernel, stride, padding
CONVOLUTIONS = {
    "3x3-n1": ((1, 6, 9, 7), 10, (3, 3), (1, 1), (1, 1)),
    "3x3-n5": ((5, 7, 8, 11), 9, (3, 3), (1, 1), (1, 1)),
    "3x3-n16": ((16, 16, 8, 8), 32, (3, 3), (1, 1), (1, 1)),
    "3x3-n20": ((20, 12, 6, 5), 20, (3, 3), (1, 1), (1, 1)),
    "3x3-n33": ((33, 5, 7, 7), 17, (3, 3), (1, 1), (1, 1)),
    "3x3-stem": ((16, 3, 16, 16), 32, (3, 3), (1, 1), (1, 1)),
    "3x3-wide": ((5, 48, 4, 4), 80, (3, 3), (1, 1), (1, 1)),
    "3x3-one-pixel": ((5, 16, 1, 1), 24, (3, 3), (1, 1), (1, 1)),
    "3x3s2-even": ((16, 8, 12, 12), 16, (3, 3), (2, 2), (1, 1)),
    "3x3s2-odd": ((5, 9, 11, 7), 13, (3, 3), (2, 2), (1, 1)),
    "3x3-unpadded": ((20, 6, 9, 8), 11, (3, 3), (1, 1), (0, 0)),
    "1x1-n16": ((16, 24, 5, 5), 40, (1, 1), (1, 1), (0, 0)),
    "1x1-n33": ((33, 17, 4, 3), 9, (1, 1), (1, 1), (0, 0)),
    "1x1s2-even": ((20, 16, 8, 8), 32, (1, 1), (2, 2), (0, 0)),
    "1x1s2-odd": ((5, 10, 9, 7), 12, (1, 1), (2, 2), (0, 0)),
    "7x7s2": ((5, 3, 23, 21), 16, (7, 7), (2, 2), (3, 3)),
    "5x5": ((16, 4, 9, 9), 8, (5, 5), (1, 1), (2, 2)),
    "2x3-uneven": ((20, 5, 9, 10), 7, (2, 3), (2, 1), (1, 0)),
    "3x2-uneven": ((1, 8, 10, 9), 6, (3, 2), (1, 3), (0, 1)),
    "4x4s4-patches": ((5, 3, 16, 12), 10, (4, 4), (4, 4), (0, 0)),
    "2x2s3-gaps": ((5, 4, 10, 11), 6, (2, 2), (3, 3), (0, 0)),
}


def conv2d():
    group = Group("conv2d", FP32)
    for name, (x_shape, out, kernel, stride, padding) in CONVOLUTIONS.items():
        for density in (1, 0.5, 0.1):
            case = group.case(f"{name}-d{density}", stride=stride, padding=padding, density=density)
            w_shape = (out, x_shape[1], *kernel)
            size = int(np.prod(w_shape))
            x = leaf(case.normal("x", x_shape))
            mask = case.mask("mask", w_shape, round(density * size))
            w = leaf(case.normal("w", w_shape, 0, 0.2) * mask)
            y = F.conv2d(x, w, stride=stride, padding=padding)
            dx, dw = gradients(y, case.normal("dy", y.shape), x, w)
            case.output("y", y.detach().numpy())
            case.output("dx", dx)
            case.output("dw", dw)
            case.output("dw_kept", dw * mask)
    return group


def linear():
    group = Group("linear", FP32)
    for n, inputs, outputs, density in (
        (1, 7, 5, 1),
        (5, 64, 10, 1),
        (16, 128, 100, 1),
        (20, 33, 17, 0.5),
        (33, 130, 65, 0.1),
    ):
        case = group.case(f"{n}x{inputs}-{outputs}-d{density}", density=density)
        x = leaf(case.normal("x", (n, inputs)))
        mask = case.mask("mask", (outputs, inputs), round(density * outputs * inputs))
        w = leaf(case.normal("w", (outputs, inputs), 0, 0.3) * mask)
        bias = leaf(case.normal("bias", (outputs,)))
        y = F.linear(x, w, bias)
        dx, dw, db = gradients(y, case.normal("dy", y.shape), x, w, bias)
        case.output("y", y.detach().numpy())
        case.output("y_without_bias", F.linear(x, w).detach().numpy())
        case.output("dx", dx)
        case.output("dw", dw)
        case.output("dw_kept", dw * mask)
        case.output("db", db)
    return group


def batch_norm():
    group = Group("batch_norm", FP32)
    shapes = ((2, 3, 4, 4), (5, 7, 6, 5), (16, 9, 4, 4), (20, 8, 5, 3), (33, 4, 3, 7), (16, 33, 1, 1))
    for shape in shapes:
        for training in (True, False):
            for residual in (False, True):
                for relu in (False, True):
                    flavour = f"{'train' if training else 'eval'}{'-residual' * residual}{'-relu' * relu}"
                    case = group.case(
                        f"{'x'.join(map(str, shape))}-{flavour}",
                        training=training,
                        residual=residual,
                        relu=relu,
                        eps=1e-5,
                        momentum=0.1,
                    )
                    _batch_norm_case(case, shape, training, residual, relu)
    # A mean a hundred times the deviation: E[x^2] - E[x]^2 in fp32 would lose every digit here.
    case = group.case("far-mean-train", training=True, residual=False, relu=False, eps=1e-5, momentum=0.1)
    _batch_norm_case(case, (16, 5, 6, 6), True, False, False, mean=100.0)
    return group


def _batch_norm_case(case, shape, training, residual, relu, mean=1.5):
    channels = shape[1]
    x = leaf(case.normal("x", shape, mean, 1.0 if mean > 2 else 2.0))
    gamma = leaf(case.normal("gamma", (channels,), 1.0, 0.3))
    beta = leaf(case.normal("beta", (channels,), 0.0, 0.5))
    running_mean = torch.from_numpy(case.normal("running_mean", (channels,), 1.0, 0.5)).double()
    running_var = torch.from_numpy(case.uniform("running_var", (channels,), 0.5, 3.0)).double()
    y = F.batch_norm(x, running_mean, running_var, gamma, beta, training, 0.1, 1e-5)
    leaves = [x, gamma, beta]
    if residual:
        added = leaf(case.normal("residual", shape))
        leaves.append(added)
        y = y + added
    if relu:
        far_from_zero(y)
        y = F.relu(y)
    dx, dgamma, dbeta, *dresidual = gradients(y, case.normal("dy", shape), *leaves)
    case.output("y", y.detach().numpy())
    case.output("dx", dx)
    case.output("dgamma", dgamma)
    case.output("dbeta", dbeta)
    if residual:
        case.output("dresidual", dresidual[0])
    if training:
        case.output("running_mean_after", running_mean.numpy())
        case.output("running_var_after", running_var.numpy())


# name: (N, C, H, W), kernel, stride, padding
POOLS = {
    "3x3s2p1": ((5, 6, 11, 9), (3, 3), (2, 2), (1, 1)),
    "3x3s2p1-n20": ((20, 4, 8, 8), (3, 3), (2, 2), (1, 1)),
    "2x2s2": ((16, 5, 8, 6), (2, 2), (2, 2), (0, 0)),
    "2x2s2-odd": ((33, 3, 7, 5), (2, 2), (2, 2), (0, 0)),
    "3x3s1p1": ((1, 7, 5, 6), (3, 3), (1, 1), (1, 1)),
    "2x3-uneven": ((5, 4, 8, 9), (2, 3), (1, 2), (0, 1)),
}


def _pool(group, case, shape, kernel, stride, padding, x, function):
    y = function(x)
    (dx,) = gradients(y, case.normal("dy", y.shape), x)
    case.output("y", y.detach().numpy())
    case.output("dx", dx)


def max_pool():
    group = Group("max_pool", FP32)
    for name, (shape, kernel, stride, padding) in POOLS.items():
        for ties in (False, True):
            case = group.case(f"{name}{'-ties' * ties}", kernel=kernel, stride=stride, padding=padding)
            x = case.integers("x", shape, 3).astype(np.float32) if ties else case.normal("x", shape)
            _pool(group, case, shape, kernel, stride, padding, leaf(x), lambda t: F.max_pool2d(t, kernel, stride, padding))
    return group


def avg_pool():
    group = Group("avg_pool", FP32)
    for name, (shape, kernel, stride, padding) in POOLS.items():
        case = group.case(name, kernel=kernel, stride=stride, padding=padding)
        x = leaf(case.normal("x", shape))
        _pool(group, case, shape, kernel, stride, padding, x, lambda t: F.avg_pool2d(t, kernel, stride, padding))
    return group


def global_avg_pool():
    group = Group("global_avg_pool", FP32)
    for shape in ((1, 5, 3, 4), (5, 7, 7, 7), (16, 32, 8, 8), (20, 6, 1, 1), (33, 9, 5, 6)):
        case = group.case("x".join(map(str, shape)))
        x = leaf(case.normal("x", shape, 0.5))
        y = x.mean(dim=(2, 3))
        (dx,) = gradients(y, case.normal("dy", y.shape), x)
        case.output("y", y.detach().numpy())
        case.output("dx", dx)
    return group


def groups():
    return [conv2d(), linear(), batch_norm(), max_pool(), avg_pool(), global_avg_pool()]
