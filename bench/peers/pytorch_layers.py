#!/usr/bin/env python3
"""Time of one dense convolution in PyTorch, pass by pass: the program our layer benchmark is measured against.

    python pytorch_layers.py --threads 2     # then lines of JSON on stdin, see `Layer`, and a line `quit`

Answers each line with one line of JSON: {"forward": ms, "data": ms, "weight": ms}, the faster of NCHW and channels-last, each the
median of `repeats` runs after two that warm up.
"""

import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F


def median_ms(run, repeats):
    run(), run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def passes(layer, memory_format):
    batch, channels, filters, kernel, stride, side = (layer[k] for k in ("batch", "channels", "filters", "kernel", "stride", "side"))
    pad = kernel // 2
    x = torch.randn(batch, channels, side, side).contiguous(memory_format=memory_format)
    w = torch.randn(filters, channels, kernel, kernel).contiguous(memory_format=memory_format)
    dy = torch.randn_like(F.conv2d(x, w, stride=stride, padding=pad))

    def backward(mask):
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask
        )

    runs = {
        "forward": lambda: F.conv2d(x, w, stride=stride, padding=pad),
        "data": backward([True, False, False]),
        "weight": backward([False, True, False]),
    }
    return {name: median_ms(run, layer["repeats"]) for name, run in runs.items()}


def main():
    parser = argparse.ArgumentParser(description="Time PyTorch's convolutions; JSON lines.")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    print(json.dumps({"event": "ready", "torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            if line.strip() == "quit":
                return
            layer = json.loads(line)
            both = [passes(layer, form) for form in (torch.contiguous_format, torch.channels_last)]
            fastest = {name: min(one[name] for one in both) for name in both[0]}
            print(json.dumps({"event": "run", **fastest}), flush=True)


if __name__ == "__main__":
    main()
