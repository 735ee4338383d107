"""Loads a state dict strictly into a network of torchvision and prints its logits of the images as JSON.

Usage: torchvision_logits.py MODEL STATE_DICT IMAGES    (safetensors; `images` f32 [N, 3, H, W])
"""

import json
import sys

import torch
from compatible import torchvision
from safetensors.torch import load_file


def main(name, state_dict, images):
    state = load_file(state_dict)
    model = getattr(torchvision.models, name)(weights=None)
    model.load_state_dict(state, strict=True)
    model.eval()
    with torch.no_grad():
        logits = model(load_file(images)["images"])
    counts = {int(tensor) for key, tensor in state.items() if key.endswith("num_batches_tracked")}
    print(json.dumps({"logits": logits.flatten().tolist(), "batches": sorted(counts), "tensors": len(state)}))


main(*sys.argv[1:])
