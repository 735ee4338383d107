#!/usr/bin/env python3
"""Writes the golden files that the parity tests read: what PyTorch computes for the same inputs.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make_goldens.py            # everything, a few minutes
    venv/bin/python make_goldens.py --check    # compare with what is committed, write nothing

Inputs are drawn by the project's counter-based generator, written a second time in numpy (s2sam_golden/counter.py), so the
files hold outputs only. References are float64 unless a name says fp32. `data/manifest.json` names every case, its inputs,
its parameters and the tolerance of its group.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from s2sam_golden import functions, layers, models, recipes, training, writer

HERE = Path(__file__).parent


def make(folder):
    torch.set_num_threads(1)  # the order of sums, and so the last bit, depends on it
    torch.use_deterministic_algorithms(True)
    versions = {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}
    groups = layers.groups() + functions.groups() + training.groups() + models.groups() + recipes.groups()
    writer.write(folder, groups, versions)
    return sum(file.stat().st_size for file in folder.iterdir())


def check(folder):
    """Largest relative difference to the committed files, per file."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as fresh:
        make(Path(fresh))
        for file in sorted(Path(fresh).glob("*.safetensors")):
            old, new = load_file(folder / file.name), load_file(file)
            if old.keys() != new.keys():
                print(f"{file.name}: other tensors than the committed file")
                return False
            scale = {key: max(float(np.abs(old[key].astype(np.float64)).max()), 1e-30) for key in old}
            gap = max(float(np.abs(old[k].astype(np.float64) - new[k].astype(np.float64)).max()) / scale[k] for k in old)
            print(f"{file.name}: largest relative difference {gap:.2e}")
            worst = max(worst, gap)
    return worst < 1e-4


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write or check the golden files.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    if parser.parse_args().check:
        sys.exit(0 if check(HERE / "data") else 1)
    print(f"{make(HERE / 'data')} bytes in {HERE / 'data'}")
