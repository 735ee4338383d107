"""torchvision's way from image files to tensors, on one thread, for data.mjs: answers each line of JSON with seconds per image.

Reads a list of files, one per line, from the path given. A question is {"recipe": "train" | "test" | "train u8"}.
"""

import json
import sys
import time

import torch

torch.set_num_threads(1)
try:
    import torchvision
except RuntimeError:  # its compiled operators do not fit this torch: the transforms do not need them
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

import PIL
from PIL import Image, features
from torchvision import transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
as_floats = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
crop = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
recipes = {
    "train": transforms.Compose([*crop, *as_floats]),
    "train u8": transforms.Compose([*crop, transforms.PILToTensor()]),
    "test": transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *as_floats]),
}


def load(path):
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def run(files, transform):
    begin = time.perf_counter()
    for path in files:
        transform(load(path))
    return (time.perf_counter() - begin) / len(files)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def main():
    files = open(sys.argv[1]).read().splitlines()
    for transform in recipes.values():
        run(files[:20], transform)
    say(
        "ready",
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        pillow=PIL.__version__,
        libjpeg_turbo=features.check("libjpeg_turbo"),
    )
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        say("run", seconds_per_image=run(files, recipes[json.loads(line)["recipe"]]))


if __name__ == "__main__":
    main()
