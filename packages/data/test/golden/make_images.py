#!/usr/bin/env python3
"""Writes images.safetensors: small image files of every kind, and what torchvision's transforms make of them.

    python -m venv venv && venv/bin/pip install torch==2.13.0 torchvision==0.28.0 "pillow<13" safetensors numpy
    venv/bin/python make_images.py

Pillow 13 resizes vertically first where that shrinks more, which changes some pixels by one; all before it, and published figures,
resize horizontally first.
"""

import io
from pathlib import Path

import numpy as np
import torch

try:
    import torchvision
except RuntimeError:  # a torchvision whose compiled part does not fit this torch: only its transforms are needed
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401

from PIL import Image
from safetensors.numpy import save_file
from torchvision.transforms import v2

CROP, RESIZE, WHOLE = 32, 40, 36


def picture(width, height, seed):
    """Waves of different lengths and directions, with some noise: neither smooth nor hopeless for JPEG."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 90 * np.sin(x / (3 + c + seed % 3) + y / (5 + 2 * c)) + random.normal(0, 12, (height, width))
        for c in range(3)
    ]
    return Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 88, **options})
    return file.getvalue()


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def files():
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "half_colours": jpeg(picture(71, 53, 1)),
        "full_colours": jpeg(picture(53, 71, 2), subsampling="4:4:4"),
        "wide_colours": jpeg(picture(90, 47, 3), subsampling="4:2:2"),
        "grey": jpeg(picture(64, 48, 4).convert("L")),
        "cmyk": jpeg(picture(60, 50, 5).convert("CMYK")),
        "progressive": jpeg(picture(75, 61, 6), progressive=True),
        "turned": jpeg(picture(66, 44, 7), exif=exif),
        "large": jpeg(picture(230, 180, 8), quality=70),
        "small": jpeg(picture(34, 33, 9)),
        "png": png(picture(50, 45, 10)),
        "png_palette": png(picture(50, 45, 11).quantize(16)),
    }


def main():
    centre = v2.Compose([v2.Resize(RESIZE), v2.CenterCrop(CROP), v2.PILToTensor()])
    plain = v2.Compose([v2.CenterCrop(CROP), v2.PILToTensor()])
    tensors = {}
    for name, content in files().items():
        image = Image.open(io.BytesIO(content)).convert("RGB")
        whole = v2.functional.resized_crop(image, 0, 0, image.height, image.width, [WHOLE, WHOLE])
        flipped = v2.functional.horizontal_flip(whole)
        tensors[f"{name}/file"] = np.frombuffer(content, np.uint8)
        tensors[f"{name}/centre"] = centre(image).numpy()
        tensors[f"{name}/plain"] = plain(image).numpy()
        tensors[f"{name}/whole"] = v2.functional.pil_to_tensor(whole).numpy()
        tensors[f"{name}/flipped"] = v2.functional.pil_to_tensor(flipped).numpy()
    path = Path(__file__).parent / "images.safetensors"
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, path)
    path.chmod(0o644)
    print(f"{path.stat().st_size} bytes in {path}")


if __name__ == "__main__":
    main()
