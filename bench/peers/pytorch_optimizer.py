#!/usr/bin/env python3
"""Time of the optimizer alone in PyTorch: what a training step does after its backward pass.

    python pytorch_optimizer.py --model resnet50 --form per-tensor --sparsity 0.9    # then write lines `run 100` to its stdin
    python pytorch_optimizer.py --selftest

JSON lines on stdout: first `{"event": "ready", ...}`, then for each `run N` line one `{"event": "run", "seconds_per_step": ...}`.
The gradients of a model's parameters are random and stay the same. Forms:

    sgd                 SGD with momentum and weight decay, one fused kernel where PyTorch has it
    foreach             S2-SAM around that SGD with PyTorch's multi-tensor calls
    per-tensor          S2-SAM as the code released with the paper goes about it: loops over parameters, a clone of each gradient and
                        of each perturbation, the perturbation added and taken away again; SGD parameter by parameter
    per-tensor-graphed  the same, recorded as a CUDA graph

With a sparsity, gradients and weights are multiplied by masks of that density, as sparse training in PyTorch does.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pytorch_train import BEFORE_MB, LR, MODELS, MOMENTUM, RHO, WEIGHT_DECAY, SharpnessAware, resident_mb, say  # noqa: E402

FORMS = ("sgd", "foreach", "per-tensor", "per-tensor-graphed")


class PerTensor:
    """S2-SAM's perturbation, parameter by parameter."""

    def __init__(self, parameters, rho=RHO):
        self.parameters, self.rho = parameters, rho
        self.gradients = [torch.zeros_like(p) for p in parameters]
        self.perturbations = [torch.zeros_like(p) for p in parameters]

    def remember(self):
        self.gradients = [p.grad.clone() for p in self.parameters]

    @torch.no_grad()
    def ascend(self):
        norm = torch.norm(torch.stack([torch.norm(g) for g in self.gradients]))
        scale = self.rho / (norm + 1e-12)
        for i, p in enumerate(self.parameters):
            perturbation = self.gradients[i] * scale
            p.add_(perturbation)
            self.perturbations[i] = perturbation.clone()

    @torch.no_grad()
    def restore(self):
        for p, perturbation in zip(self.parameters, self.perturbations):
            p.sub_(perturbation)


def masks_of(parameters, sparsity, generator):
    """A mask for every tensor of weights of layers, but the first and the last; none where nothing is masked."""
    weights = [i for i, p in enumerate(parameters) if p.dim() > 1]
    masked = set(weights[1:-1]) if sparsity > 0 else set()
    random = lambda p: torch.rand(p.shape, generator=generator).to(p.device)  # noqa: E731
    return [(random(p) >= sparsity).to(p.dtype) if i in masked else None for i, p in enumerate(parameters)]


def apply_masks(tensors, masks):
    for tensor, mask in zip(tensors, masks):
        if mask is not None:
            tensor.mul_(mask)


def make_phase(form, parameters, masks):
    """The optimizer's part of a step as a function without arguments; weights end perturbed for the next one."""
    single = form.startswith("per-tensor")
    how = {"foreach": False, "fused": False} if single else {"fused": True}
    base = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, **how)
    sharp = None if form == "sgd" else PerTensor(parameters) if single else SharpnessAware(parameters)
    if sharp is not None:
        sharp.remember()
        sharp.ascend()

    @torch.no_grad()
    def phase():
        if sharp is not None:
            sharp.restore()
        apply_masks([p.grad for p in parameters], masks)
        base.step()
        apply_masks(parameters, masks)
        if sharp is not None:
            sharp.remember()
            sharp.ascend()

    return phase


def prepare(args, form):
    generator = torch.Generator().manual_seed(0)
    parameters = list(MODELS[args.model](args).to(args.device).parameters())
    with torch.no_grad():
        for p in parameters:
            p.copy_(0.05 * torch.randn(p.shape, generator=generator))
            p.grad = (0.01 * torch.randn(p.shape, generator=generator)).to(args.device)
    masks = masks_of(parameters, args.sparsity, generator)
    with torch.no_grad():
        apply_masks(parameters, masks)
    return parameters, make_phase(form, parameters, masks)


def graphed(phase):
    """The phase as a CUDA graph, recorded after some runs on another stream, as PyTorch wants it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            phase()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        phase()
    return graph.replay


def measure(phase, count, device):
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        phase()
    synchronize()
    return (time.perf_counter() - begin) / count


def selftest(args):
    """All forms of S2-SAM must come to the same weights."""
    ends = {}
    for form in ("foreach", "per-tensor"):
        parameters, phase = prepare(args, form)
        for _ in range(3):
            phase()
        ends[form] = torch.cat([p.detach().flatten() for p in parameters])
    difference = (ends["foreach"] - ends["per-tensor"]).abs().max().item()
    say("selftest", largest=ends["foreach"].abs().max().item(), difference=difference)


def arguments():
    parser = argparse.ArgumentParser(description="Time PyTorch optimizers alone; JSON lines on stdout.")
    parser.add_argument("--model", choices=sorted(MODELS), default="resnet32")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--form", choices=FORMS, default="per-tensor")
    parser.add_argument("--sparsity", type=float, default=0.0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--selftest", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    if args.selftest:
        selftest(args)
        return
    parameters, phase = prepare(args, args.form)
    run = graphed(phase) if args.form == "per-tensor-graphed" else phase
    say("ready", peer="pytorch", torch=torch.__version__, parameters=sum(p.numel() for p in parameters), **vars(args))
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        seconds = measure(run, int(words[1]), args.device)
        say("run", steps=int(words[1]), seconds_per_step=seconds, peak_mb=resident_mb() - BEFORE_MB)


if __name__ == "__main__":
    main()
