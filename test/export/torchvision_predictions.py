"""A network of torchvision with drawn weights: writes it as PyTorch does, or classifies images as torchvision's recipe says.

Usage: torchvision_predictions.py write MODEL CLASSES PATH.pth      below `state_dict`, as data-parallel training leaves it
       torchvision_predictions.py classify MODEL CLASSES PATH.pth FOLDER
                                                   prints [class, logit] of each image below FOLDER, in the order of ImageFolder
"""

import json
import sys
from pathlib import Path

import torch
from compatible import torchvision
from PIL import Image
from torchvision import transforms

RECIPE = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])  # fmt: skip


def write(name, classes, path):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None, num_classes=int(classes))
    # Numbers as after training: statistics and affine parameters that differ from channel to channel.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.8, 1.2)
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({"epoch": 90, "arch": name, "state_dict": state}, path)


def classify(name, classes, path, folder):
    model = getattr(torchvision.models, name)(weights=None, num_classes=int(classes))
    state = torch.load(path, weights_only=True)["state_dict"]
    model.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    model.eval()
    files = [file for group in sorted(Path(folder).iterdir()) for file in sorted(group.iterdir())]
    found = []
    with torch.no_grad():
        for begin in range(0, len(files), 16):
            images = [RECIPE(Image.open(file).convert("RGB")) for file in files[begin : begin + 16]]
            best = model(torch.stack(images)).max(dim=1)
            found += zip(best.indices.tolist(), best.values.tolist())
    print(json.dumps(found))


{"write": write, "classify": classify}[sys.argv[1]](*sys.argv[2:])
