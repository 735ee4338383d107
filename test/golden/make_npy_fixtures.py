#!/usr/bin/env python3
"""
Writes the small .npy files that tests of the reader open: data/npy/*.npy, by numpy itself.

    venv/bin/python make_npy_fixtures.py
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data" / "npy"


def write(name, array, version=(1, 0)):
    with open(FOLDER / name, "wb") as file:
        np.lib.format.write_array(file, array, version=version, allow_pickle=False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    pixels = (np.arange(4 * 2 * 3 * 3) % 251).astype(np.uint8).reshape(4, 2, 3, 3)
    write("pixels.npy", pixels)
    write("pixels-v2.npy", pixels, (2, 0))
    write("pixels-v3.npy", pixels, (3, 0))
    write("fortran.npy", np.asfortranarray(pixels))
    write("float64.npy", pixels.astype(np.float64))
    write("big-endian.npy", np.arange(5, dtype=">i8"))
    write("structured.npy", np.zeros(3, [("a", "u1"), ("b", "i4")]))
    write("labels-int64.npy", np.array([7, 0, 2**40, -1], np.int64))
    write("labels-int32.npy", np.array([7, 0, 2**30, -1], np.int32))
    write("labels-uint8.npy", np.array([7, 0, 255], np.uint8))
    write("empty.npy", np.zeros((0, 32, 32, 3), np.uint8))
