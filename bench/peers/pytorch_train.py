#!/usr/bin/env python3
"""Steady-state time of a training step in PyTorch: the program our benchmark is measured against.

    python pytorch_train.py --model resnet32 --batch 128 --optimizer sgd --steps 20
    python pytorch_train.py --model resnet32 --batch 128 --serve      # then write lines `run 10` to its stdin
    python pytorch_train.py --device cuda --model resnet50 --image-size 224 --batch 256 --dtype bf16 --channels-last --compile default

JSON lines on stdout. First `{"event": "ready", ...}` once the warm-up steps are done, with versions, threads and the number of
parameters. Then one `{"event": "run", "steps": N, "seconds_per_step": ...}` per measurement: a single one of --steps, or with
--serve one per `run N` line until `quit` or the end of stdin, so that a benchmark can alternate between two programs.

A step is forward, cross-entropy, backward and optimizer over one resident batch of synthetic images; no data loading. 16-bit types
mean autocast over fp32 weights, f16 with GradScaler. `peak_mb` is what the process needed beyond Python and torch. On CUDA the clock stops when the device is done (torch.cuda.synchronize).
"""

import argparse
import contextlib
import json
import platform
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "golden"))
from s2sam_golden.networks import CifarResNet, ResNet50, Vgg19, initialise  # noqa: E402

MODELS = {
    "resnet20": lambda args: CifarResNet(3, (args.width, 2 * args.width, 4 * args.width), args.classes),
    "resnet32": lambda args: CifarResNet(5, (args.width, 2 * args.width, 4 * args.width), args.classes),
    "resnet50": lambda args: ResNet50(args.classes),
    "vgg19": lambda args: Vgg19(args.classes),
}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
LR, MOMENTUM, WEIGHT_DECAY, RHO = 0.01, 0.9, 5e-4, 0.05


def resident_mb():
    """The most memory this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


BEFORE_MB = resident_mb()  # Python and torch themselves


class SharpnessAware:
    """Perturbs and restores the weights with PyTorch's multi-tensor calls, the quickest form it offers."""

    def __init__(self, parameters, rho=RHO):
        self.parameters, self.rho = list(parameters), rho
        self.saved = [torch.empty_like(p) for p in self.parameters]
        self.gradient = None

    def remember(self):
        self.gradient = [p.grad for p in self.parameters]  # no copy: zero_grad(set_to_none=True) leaves these tensors to us

    @torch.no_grad()
    def ascend(self):
        norm = torch.stack(torch._foreach_norm(self.gradient)).norm()
        torch._foreach_copy_(self.saved, self.parameters)
        torch._foreach_add_(self.parameters, torch._foreach_mul(self.gradient, self.rho / (norm + 1e-12)))

    @torch.no_grad()
    def restore(self):
        torch._foreach_copy_(self.parameters, self.saved)


def make_step(args, model, x, labels):
    """One training step as a function without arguments that returns the loss."""
    base = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=args.fused)
    forward = model if args.compile == "none" else torch.compile(model, mode=args.compile)
    half = args.dtype != "f32"
    precision = torch.autocast(args.device, DTYPES[args.dtype]) if half else contextlib.nullcontext()
    scaler = torch.amp.GradScaler(args.device, enabled=args.dtype == "f16")

    def pass_once():
        model.zero_grad(set_to_none=True)
        with precision:
            loss = F.cross_entropy(forward(x), labels)
        scaler.scale(loss).backward()
        return loss

    def update():
        scaler.step(base)
        scaler.update()

    def sgd():
        loss = pass_once()
        update()
        return loss

    sharp = SharpnessAware(model.parameters())

    def sam():
        loss = pass_once()
        sharp.remember()
        sharp.ascend()
        pass_once()
        sharp.restore()
        update()
        return loss

    def s2sam():
        if sharp.gradient is None:
            loss = pass_once()
        else:
            sharp.ascend()
            loss = pass_once()
            sharp.restore()
        sharp.remember()
        update()
        return loss

    return {"sgd": sgd, "sam": sam, "s2sam": s2sam}[args.optimizer]


def prepare(args):
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    torch.backends.cudnn.allow_tf32 = args.tf32
    torch.backends.cudnn.benchmark = True  # times its algorithms once per shape, as we do
    model = initialise(MODELS[args.model](args)).to(args.device)
    x = torch.randn(args.batch, 3, args.image_size, args.image_size, device=args.device)
    labels = torch.randint(0, args.classes, (args.batch,), device=args.device)
    if args.channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    return model, make_step(args, model, x, labels)


def measure(step, count, device):
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        loss = step()
    synchronize()
    seconds = (time.perf_counter() - begin) / count
    return {"steps": count, "seconds_per_step": seconds, "peak_mb": resident_mb() - BEFORE_MB, "loss": loss.item()}


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def serve(step, args):
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) != 2 or words[0] != "run" or not words[1].isdigit() or int(words[1]) < 1:
            say("error", message=f"unknown line {line.strip()!r}; write `run N` or `quit`")
            continue
        say("run", **measure(step, int(words[1]), args.device))


def introduce(args, parameters):
    """Says that the warm-up is done, and what will be measured with what."""
    name = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or platform.machine()
    say(
        "ready",
        peer="pytorch",
        torch=torch.__version__,
        python=platform.python_version(),
        parameters=sum(p.numel() for p in parameters),
        device_name=name,
        capability=torch.backends.cpu.get_cpu_capability(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version() if args.device == "cuda" else None,
        **{**vars(args), "threads": torch.get_num_threads()},
    )


def arguments():
    parser = argparse.ArgumentParser(description="Time PyTorch training steps; JSON lines on stdout.")
    parser.add_argument("--model", choices=sorted(MODELS), default="resnet32")
    parser.add_argument("--width", type=int, default=32, help="channels of a ResNet's first stage (He et al.: 16)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument(
        "--compile", choices=("none", "default", "max-autotune"), default="none", help="torch.compile the two passes, in this mode"
    )
    parser.add_argument("--tf32", action="store_true", help="let CUDA round fp32 matrix products to TF32 (default: no)")
    parser.add_argument("--fused", action=argparse.BooleanOptionalAction, default=True, help="PyTorch's one-kernel SGD")
    parser.add_argument("--optimizer", choices=("sgd", "sam", "s2sam"), default="sgd")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="f32")
    parser.add_argument("--serve", action="store_true", help="measure on request, see above")
    args = parser.parse_args()
    for name in ("width", "batch", "image_size", "classes", "threads", "steps", "warmup"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is {getattr(args, name)}; it must be at least 1")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no CUDA device")
    if args.dtype == "f16" and (args.optimizer != "sgd" or args.device == "cpu"):
        parser.error("--dtype f16 needs loss scaling, which is there for --optimizer sgd --device cuda; use bf16")
    return args


def main():
    args = arguments()
    model, step = prepare(args)
    measure(step, args.warmup, args.device)
    introduce(args, model.parameters())
    if args.serve:
        serve(step, args)
    else:
        say("run", **measure(step, args.steps, args.device))


if __name__ == "__main__":
    main()
