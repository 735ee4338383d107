"""torchvision, also where its compiled part does not fit the torch that is there: networks and transforms need nothing of it."""

import sys

import torch

try:
    import torchvision
except RuntimeError:
    # It asks for two ops by name.
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    stand_ins = torch.library.Library("torchvision", "DEF")
    for op in ["nms", "qnms"]:
        stand_ins.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
