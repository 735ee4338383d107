"""MixUp and CutMix of torchvision, at shares and boxes that are given instead of drawn."""

from unittest import mock

import torch
from torchvision.transforms import v2


def _mixer(mix, classes):
    """mix: (lambda, x0, y0, x1, y1); an empty box means MixUp."""
    share, *box = mix
    cuts = box[0] < box[2] and box[1] < box[3]
    mixer = v2.CutMix(num_classes=classes) if cuts else v2.MixUp(num_classes=classes)
    params = {"box": tuple(box), "lam_adjusted": share} if cuts else {"lam": share}
    mixer.make_params = lambda _: params
    return mixer


def mixed_batch(x, labels, mix, classes):
    """x [N, C, H, W] and labels [N] -> mixed x, and labels [N, classes] as shares."""
    x, soft = _mixer(mix, classes)(x, labels)
    # torchvision mixes one-hot labels of single precision; the shares here are those of the type of x.
    one_hot = torch.nn.functional.one_hot(labels, classes).to(x.dtype)
    exact = mix[0] * one_hot + (1 - mix[0]) * one_hot.roll(1, 0)
    assert torch.allclose(soft.to(x.dtype), exact, atol=1e-6)
    return x, exact


def mixed(x, mix):
    return mixed_batch(x, torch.zeros(len(x), dtype=torch.long), mix, 2)[0]


def cutmix_params(share, x, y, height, width):
    """What CutMix makes of a share and a middle that it thinks it has drawn: box and the share that is left."""
    mixer = v2.CutMix(num_classes=2)
    mixer._dist = mock.Mock(sample=lambda _: torch.tensor(share, dtype=torch.float64))
    with mock.patch("torch.randint", side_effect=[torch.tensor([x]), torch.tensor([y])]):
        params = mixer.make_params([torch.zeros(1, 3, height, width)])
    return params["box"], params["lam_adjusted"]
