#!/usr/bin/env python3
"""Time of what a training step in PyTorch does besides its passes: the program our optimizer benchmark is measured against.

    python pytorch_optimizer.py --parameters '[{"shape": [64, 32, 3, 3], "density": 0.1}]' --form per-tensor --serve

Speaks as pytorch_train.py does. Weights and gradients are random, nothing computes new ones; where a density is below 1, gradients and
weights are multiplied by a random mask. A step takes the perturbation off the weights, steps along the gradient with SGD, and puts on
the perturbation for the next pass. Forms:

    per-tensor   one tensor after the other, with copies of gradient and perturbation, as the method's released code works
    foreach      multi-tensor calls and PyTorch's one-kernel SGD: the quickest it offers
    sgd          one-kernel SGD alone

--graphed records the step as a CUDA graph. With --check FILE nothing is timed: FILE has rows of f32 over all parameters, the weights
(zeros where masked) and then the gradients of steps to take; it is replaced by two rows, the weights with and without perturbation.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from pytorch_train import LR, MOMENTUM, RHO, WEIGHT_DECAY, SharpnessAware, introduce, measure, serve


class PerTensor:
    """Perturbs and restores the weights one tensor after the other."""

    def __init__(self, parameters, rho=RHO):
        self.parameters, self.rho = parameters, rho
        self.perturbation = [torch.zeros_like(p) for p in parameters]
        self.gradient = None

    def remember(self):
        self.gradient = [p.grad.clone() for p in self.parameters]

    def ascend(self):
        norm = torch.stack([g.norm() for g in self.gradient]).norm()
        scale = self.rho / (norm + 1e-12)
        for p, g, kept in zip(self.parameters, self.gradient, self.perturbation):
            e_w = g * scale
            p.add_(e_w)
            kept.copy_(e_w)  # into the same memory at every step, so that a recorded one finds it

    def restore(self):
        for p, kept in zip(self.parameters, self.perturbation):
            p.sub_(kept)


def multiply_each(tensors, factors):
    for tensor, factor in zip(tensors, factors):
        tensor.mul_(factor)


SHARPNESS = {"per-tensor": PerTensor, "foreach": SharpnessAware, "sgd": lambda parameters: None}


def random_parameters(specs, device):
    parameters = []
    for spec in specs:
        weights = torch.randn(spec["shape"], device=device)
        parameters.append(weights.mul_(torch.rand_like(weights) < spec["density"]))
        weights.grad = torch.randn_like(weights)
    return parameters


def make_step(form, specs, parameters):
    """The step as a function without arguments that returns some weight, and what perturbs. A weight of 0 where masks are is masked."""
    one_by_one = form == "per-tensor"
    multiply = multiply_each if one_by_one else torch._foreach_mul_
    masked = [p for p, spec in zip(parameters, specs) if spec["density"] < 1]
    masks = [(p != 0).float() for p in masked]
    base = torch.optim.SGD(
        parameters, lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, foreach=False, fused=not one_by_one
    )
    sharp = SHARPNESS[form](parameters)
    some_weight = parameters[0].view(-1)[0]

    def apply_masks(tensors):
        if masks:
            multiply(tensors, masks)

    def step():
        if sharp is not None and sharp.gradient is not None:
            sharp.restore()
        apply_masks([p.grad for p in masked])
        if sharp is not None:
            sharp.remember()
        base.step()
        apply_masks(masked)
        if sharp is not None:
            sharp.ascend()
        return some_weight

    return step, sharp


def graphed(step):
    """The step recorded as a CUDA graph, after steps on a stream aside, as PyTorch wants it."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        some_weight = step()

    def replay():
        graph.replay()
        return some_weight

    return replay


def check(path, specs, form):
    sizes = [int(np.prod(spec["shape"])) for spec in specs]
    rows = torch.from_numpy(np.fromfile(path, np.float32)).view(-1, sum(sizes))
    weights, *gradients = [
        [part.view(spec["shape"]).clone() for part, spec in zip(row.split(sizes), specs)] for row in rows
    ]
    step, sharp = make_step(form, specs, weights)
    for gradient in gradients:
        for p, g in zip(weights, gradient):
            p.grad = g
        step()
    flat = [torch.cat([p.flatten() for p in weights])]
    sharp.restore()
    flat.append(torch.cat([p.flatten() for p in weights]))
    torch.stack(flat).numpy().tofile(path)


def arguments():
    parser = argparse.ArgumentParser(description="Time PyTorch's optimizers; JSON lines on stdout.")
    parser.add_argument("--parameters", type=json.loads, required=True, help="JSON: [{shape, density}]")
    parser.add_argument("--form", choices=sorted(SHARPNESS), required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--graphed", action="store_true", help="record the step as a CUDA graph")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--serve", action="store_true", help="measure on request, as pytorch_train.py does")
    what.add_argument("--check", type=Path, metavar="FILE", help="take the steps that FILE says, see above")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no CUDA device")
    if args.graphed and args.device != "cuda":
        parser.error("--graphed needs --device cuda")
    if args.check and args.form == "sgd":
        parser.error("--check needs a form that perturbs")
    return args


def main():
    args = arguments()
    specs = args.__dict__.pop("parameters")
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    if args.check:
        return check(args.check, specs, args.form)
    parameters = random_parameters(specs, args.device)
    step, _ = make_step(args.form, specs, parameters)
    if args.graphed:
        step = graphed(step)
    measure(step, 3, args.device)
    introduce(args, parameters)
    serve(step, args)


if __name__ == "__main__":
    main()
