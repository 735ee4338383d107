"""Collects cases and writes one safetensors file per group and one manifest for all."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from . import counter
from .counter import SEED

WHOLE = 384  # outputs up to this size are stored whole
SAMPLE = 256  # larger ones: this many elements ...
BLOCKS = 64  # ... and this many signed block sums, which see every element


def sample_positions(count):
    return counter.words(counter.stream_key(SEED, "golden/sample"), SAMPLE).astype(np.int64) % count


def block_sums(values):
    """Sum of value * u over BLOCKS consecutive runs, u uniform in [-1, 1) from the stream `golden/blocks`."""
    flat = values.reshape(-1).astype(np.float64)
    signed = flat * counter.uniform(counter.stream_key(SEED, "golden/blocks"), flat.shape, -1, 1).astype(np.float64)
    edges = [k * flat.size // BLOCKS for k in range(BLOCKS + 1)]
    return np.array([signed[a:b].sum() for a, b in zip(edges, edges[1:])], np.float32)


class Case:
    """One call: named inputs that both sides can make, parameters, and outputs to compare with."""

    def __init__(self, group, name, params):
        self.group, self.name = group, name
        self.record = {"name": name, "params": params, "inputs": {}, "outputs": {}}

    def _input(self, name, shape, kind, args):
        self.record["inputs"][name] = {"shape": list(shape), "kind": kind, "args": args}
        return counter.stream_key(SEED, f"golden/{self.group.name}/{self.name}/{name}")

    def normal(self, name, shape, mean=0.0, std=1.0):
        return counter.normal(self._input(name, shape, "normal", [mean, std]), shape, mean, std)

    def uniform(self, name, shape, lo, hi):
        return counter.uniform(self._input(name, shape, "uniform", [lo, hi]), shape, lo, hi)

    def integers(self, name, shape, below):
        return counter.integers(self._input(name, shape, "integers", [below]), shape, below)

    def pixels(self, name, shape):
        return counter.pixels(self._input(name, shape, "pixels", []), shape)

    def mask(self, name, shape, keep):
        return counter.random_mask(self._input(name, shape, "mask", [keep]), shape, keep)

    def output(self, name, values, whole=None):
        """Stores float values as F32, integers as they are; `whole`: never sampled (default for up to WHOLE)."""
        array = np.asarray(values)
        array = np.ascontiguousarray(array.astype(np.float32) if array.dtype.kind == "f" else array)
        key = f"{self.name}/{name}"
        entry = {"shape": list(array.shape), "tensor": key}
        if whole or (whole is None and array.size <= WHOLE):
            self.group.tensors[key] = array
        else:
            entry["sampled"] = True
            entry["max"] = float(np.abs(array).max())
            self.group.tensors[key] = array.reshape(-1)[sample_positions(array.size)]
            self.group.tensors[f"{key}/blocks"] = block_sums(array)
        self.record["outputs"][name] = entry


class Group:
    """The cases of one op family."""

    def __init__(self, name, tolerance):
        self.name, self.tolerance = name, tolerance
        self.tensors, self.cases = {}, []

    def case(self, name, **params):
        case = Case(self, name, params)
        self.cases.append(case)
        return case


def write(folder: Path, groups, versions):
    folder.mkdir(exist_ok=True)
    for group in groups:
        file = folder / f"{group.name}.safetensors"
        save_file(group.tensors, file)
        file.chmod(0o644)
    head = {"seed": SEED, "versions": versions, "sample": SAMPLE, "blocks": BLOCKS}
    (folder / "manifest.json").write_text(_manifest(head, groups))


def _manifest(head, groups):
    """JSON with one case per line, so that a change shows as a line."""
    lines = [f'"{key}": {json.dumps(value)},' for key, value in head.items()]
    for group in groups:
        lines.append(f'"{group.name}": {{"file": "{group.name}.safetensors", "tolerance": {group.tolerance}, "cases": [')
        records = [json.dumps(case.record, separators=(",", ":"), ensure_ascii=False) for case in group.cases]
        lines.append(",\n".join(records))
        lines.append("]}" if group is groups[-1] else "]},")
    lines.insert(len(head), '"groups": {')
    return "{\n" + "\n".join(lines) + "\n}}\n"
