"""SGD, SAM and S2-SAM over any module: a plain reading of the papers' pseudo code, with torch.optim.SGD as the base."""

import torch


class Trainer:
    """
    kind: 'sgd', 'sam' or 's2sam'. policy 'masked': gradient, norm and perturbation on kept weights only; 'dense': on all
    weights, the mask applies to the stored weights alone. adaptive: e scaled by w^2 (ASAM).
    """

    def __init__(
        self,
        model,
        masks=None,
        *,
        kind="sgd",
        lr,
        momentum=0.0,
        nesterov=False,
        weightDecay=0.0,
        decayWeightsOnly=False,
        maxGradNorm=0.0,
        rho=0.05,
        policy="masked",
        adaptive=False,
    ):
        self.model, self.kind, self.rho, self.policy, self.adaptive = model, kind, rho, policy, adaptive
        self.max_norm = maxGradNorm
        self.parameters = dict(model.named_parameters())
        self.masks = {name: mask.to(self.parameters[name].dtype) for name, mask in (masks or {}).items()}
        spared = [p for p in self.parameters.values() if decayWeightsOnly and p.dim() == 1]
        decayed = [p for p in self.parameters.values() if not (decayWeightsOnly and p.dim() == 1)]
        self.base = torch.optim.SGD(
            [{"params": decayed, "weight_decay": weightDecay}, {"params": spared, "weight_decay": 0.0}],
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            foreach=False,
        )
        self.previous = None  # S2-SAM: raw gradient of the step before
        self._mask_weights()

    def step(self, loss_of):
        """One step; loss_of() is the batch's loss at the current parameters. Returns the losses of its passes."""
        if self.kind == "sam":
            clean, gradient = self._gradient(loss_of)
            statistics = {name: value.clone() for name, value in self.model.named_buffers()}
            perturbed, gradient = self._at(self._perturbation(gradient), loss_of)
            # Running statistics come from the unperturbed pass alone.
            for name, value in self.model.named_buffers():
                value.copy_(statistics[name])
            losses = [clean, perturbed]
        else:
            loss, gradient = self._at(self._perturbation(self.previous), loss_of)
            losses = [loss]
            if self.kind == "s2sam":
                self.previous = gradient
        norm = self._norm(gradient)
        for name, parameter in self.parameters.items():
            parameter.grad = gradient[name].clone()
        if self.max_norm:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.max_norm, foreach=False)
        self.base.step()
        self._mask_weights()
        return losses, norm.item()

    def momentum(self, name):
        return self.base.state[self.parameters[name]]["momentum_buffer"]

    def _mask_weights(self):
        with torch.no_grad():
            for name, mask in self.masks.items():
                self.parameters[name].mul_(mask)

    def _gradient(self, loss_of):
        self.model.zero_grad()
        loss = loss_of()
        loss.backward()
        gradient = {name: p.grad.clone() for name, p in self.parameters.items()}
        if self.policy == "masked":
            for name, mask in self.masks.items():
                gradient[name] *= mask
        return loss.item(), gradient

    def _at(self, perturbation, loss_of):
        """Loss and gradient at w + e; w is put back from a copy."""
        if perturbation is None:
            return self._gradient(loss_of)
        saved = {name: p.detach().clone() for name, p in self.parameters.items()}
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.add_(perturbation[name])
        result = self._gradient(loss_of)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(saved[name])
        return result

    def _perturbation(self, gradient):
        if gradient is None:
            return None
        with torch.no_grad():
            weight = {name: p.abs() if self.adaptive else torch.ones_like(p) for name, p in self.parameters.items()}
            norm = self._norm({name: weight[name] * g for name, g in gradient.items()})
            return {name: self.rho * weight[name] ** 2 * g / (norm + 1e-12) for name, g in gradient.items()}

    @staticmethod
    def _norm(tensors):
        return torch.sqrt(sum((t.double() ** 2).sum() for t in tensors.values()))
