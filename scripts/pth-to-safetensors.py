#!/usr/bin/env python3
"""Converts a PyTorch checkpoint (.pth, .pt, .bin) to safetensors, which s2sam reads.

    pip install torch safetensors
    python scripts/pth-to-safetensors.py resnet50.pth resnet50.safetensors [--key state_dict_ema]

Takes a state dict, or a dict that holds one under `state_dict`, `model`, `module`, `model_state_dict` or the given key. Nothing in the file
is executed (weights_only). Tensors that share memory are written once each. Whatever is not a tensor is left out and named.
"""

import argparse
import sys

import torch
from safetensors.torch import save_file

KEYS = ["state_dict", "model", "module", "model_state_dict"]


class Refused(Exception):
    pass


def is_state_dict(value):
    return isinstance(value, dict) and any(isinstance(item, torch.Tensor) for item in value.values())


def state_dict_in(content, key):
    if key is not None:
        if not isinstance(content, dict) or key not in content:
            known = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
            raise Refused(f"there is no '{key}' in it, but: {known}")
        content = content[key]
    elif not is_state_dict(content) and isinstance(content, dict):
        held = [name for name in KEYS if is_state_dict(content.get(name))]
        if len(held) != 1:
            raise Refused(f"it holds {', '.join(map(str, content))}; say with --key which of them is the state dict")
        content = content[held[0]]
    if not is_state_dict(content):
        raise Refused(f"it holds a {type(content).__name__} and no state dict")
    return content


def convert(source, target, key):
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Refused(f"it cannot be loaded without executing what is in it: {error}") from error
    tensors = {}
    for name, value in state_dict_in(content, key).items():
        if isinstance(value, torch.Tensor):
            tensors[str(name)] = value.detach().contiguous().clone()
        else:
            print(f"left out: {name} is a {type(value).__name__}", file=sys.stderr)
    save_file(tensors, target, metadata={"format": "pt"})
    print(f"{target}: {len(tensors)} tensors, {sum(tensor.numel() for tensor in tensors.values())} numbers")


def main():
    parser = argparse.ArgumentParser(description="PyTorch checkpoint to safetensors.")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--key", help="where the state dict is, e.g. state_dict_ema for averaged weights of timm")
    options = parser.parse_args()
    try:
        convert(options.source, options.target, options.key)
    except Refused as reason:
        sys.exit(f"error: {options.source}: {reason}")


if __name__ == "__main__":
    main()
