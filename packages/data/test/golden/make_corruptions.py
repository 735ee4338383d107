#!/usr/bin/env python3
"""Writes corruptions.safetensors: images of CIFAR's size, and what well-known libraries make of them with the constants of CIFAR-C.

    pip install numpy scipy "pillow<13" safetensors && python make_corruptions.py
"""

import colorsys
import io
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from scipy import ndimage

IMAGES = 2


def images():
    """Waves of some colours with noise over them, and one image with plain areas (grey, black and white, full colours)."""
    draw = np.random.default_rng(5)
    y, x = np.mgrid[0:32, 0:32] / 32
    waves = np.stack([np.sin(6 * x + k) * np.cos(5 * y - k) for k in range(3)], axis=-1)
    first = 127 + 90 * waves + draw.normal(0, 12, (32, 32, 3))
    second = np.full((32, 32, 3), 119.0)
    second[:8, :8], second[:8, 8:16] = 0, 255
    for k in range(3):
        second[8:16, 8 * k : 8 * k + 8, :] = 20
        second[8:16, 8 * k : 8 * k + 8, k] = 240
    second[20:, 10:] = draw.integers(0, 256, (12, 22, 3))
    return np.clip(np.stack([first, second]), 0, 255).astype(np.uint8)


def to_bytes(x):
    return np.uint8(np.clip(x, 0, 1) * 255)


def recoloured(image, change):
    out = np.zeros(image.shape)
    for place in np.ndindex(32, 32):
        out[place] = colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*(image[place] / 255))))
    return to_bytes(out)


def brightness(image, c):
    return recoloured(image, lambda h, s, v: (h, s, np.clip(v + c, 0, 1)))


def saturate(image, c):
    return recoloured(image, lambda h, s, v: (h, np.clip(s * c[0] + c[1], 0, 1), v))


def contrast(image, c):
    x = image / 255
    means = x.mean(axis=(0, 1), keepdims=True)
    return to_bytes((x - means) * c + means)


def gaussian_blur(image, c):
    return to_bytes(ndimage.gaussian_filter(image / 255, (c, c, 0), mode="nearest", truncate=4.0))


def defocus_blur(image, c):
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places[None, :] ** 2 <= c[0] ** 2).astype(float)
    disk = ndimage.gaussian_filter(disk / disk.sum(), c[1], radius=1)
    return to_bytes(np.stack([ndimage.correlate(image[..., k] / 255, disk, mode="mirror") for k in range(3)], axis=-1))


def pixelate(image, c):
    small = Image.fromarray(image).resize((int(32 * c), int(32 * c)), Image.BOX)
    return np.array(small.resize((32, 32), Image.BOX))


def jpeg_compression(image, c):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=c)
    return np.array(Image.open(file))


CONSTANTS = {
    brightness: [0.05, 0.1, 0.15, 0.2, 0.3],
    saturate: [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
    contrast: [0.75, 0.5, 0.4, 0.3, 0.15],
    gaussian_blur: [0.4, 0.6, 0.7, 0.8, 1],
    defocus_blur: [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    pixelate: [0.95, 0.9, 0.85, 0.75, 0.65],
    jpeg_compression: [80, 65, 58, 50, 40],
}

clean = images()
tensors = {"images": clean}
for corrupt, constants in CONSTANTS.items():
    for severity, c in enumerate(constants, start=1):
        tensors[f"{corrupt.__name__}/{severity}"] = np.stack([corrupt(image, c) for image in clean])
save_file(tensors, Path(__file__).parent / "corruptions.safetensors")
