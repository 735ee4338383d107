#!/usr/bin/env python3
"""
Writes what the tests of the mask strategies compare with: data/mask_traces.json, the masks that each method makes of made-up
weights (s2sam_golden/strategies.py), and data/grasp_scores.safetensors, GraSP's scores by exact double backward
(s2sam_golden/grasp.py).

    venv/bin/python make_mask_goldens.py
"""

import json
from pathlib import Path

from safetensors.numpy import save_file

from s2sam_golden import counter, grasp, strategies

DATA = Path(__file__).parent / "data"


def write_traces(file):
    methods, thresholds = strategies.traces()
    lines = [f'"seed": {strategies.SEED}', f'"dsrThresholds": {json.dumps(thresholds)}']
    for name, trace in methods.items():
        moments = [[counter.pack_bits(mask).tolist() for mask in masks] for masks in trace]
        rows = ",\n".join(json.dumps(moment, separators=(",", ":")) for moment in moments)
        lines.append(f'"{name}": [\n{rows}\n]')
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write_traces(DATA / "mask_traces.json")
    save_file(grasp.scores(), DATA / "grasp_scores.safetensors")
    (DATA / "grasp_scores.safetensors").chmod(0o644)
