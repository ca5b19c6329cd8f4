"""What gradients of the answer tell of the embeddings of its tokens."""

from __future__ import annotations

import numpy as np

from nlpkit.explaining.needed import captum
from nlpkit.explaining.variants import Variants

STEPS = 10  # of the path; on MiniLM and SST-2 as faithful as 50, see docs/measured.md


def integrated_gradients(variants: Variants, seed: int) -> np.ndarray:
    """Gradients along the straight path from the masked input to the input, times the way (Sundararajan et al. 2017,
    https://arxiv.org/abs/1703.01365), by captum."""
    inputs, masked = variants.embedded(), variants.embedded(masked=True)
    method = captum("integrated-gradients").IntegratedGradients(variants.value_of)
    found = method.attribute(inputs, baselines=masked, n_steps=STEPS, method="gausslegendre")
    return variants.of_units(found[0].sum(-1).double().cpu().numpy())


def _gradient(variants: Variants) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and the gradient of the answer, each of shape (tokens, width)."""
    import torch

    embedded = variants.embedded().requires_grad_()
    (gradient,) = torch.autograd.grad(variants.value_of(embedded).sum(), embedded)
    return embedded.detach()[0].double().cpu().numpy(), gradient[0].double().cpu().numpy()


def gradient_norm(variants: Variants, seed: int) -> np.ndarray:
    """How steep the answer is where a token stands: the length of the gradient (Simonyan et al. 2014,
    https://arxiv.org/abs/1312.6034). It has no sign."""
    _, gradient = _gradient(variants)
    return variants.of_units(np.linalg.norm(gradient, axis=-1))


def gradient_times_input(variants: Variants, seed: int) -> np.ndarray:
    """The gradient times the embedding (Shrikumar et al. 2017, https://arxiv.org/abs/1605.01713)."""
    embedded, gradient = _gradient(variants)
    return variants.of_units((embedded * gradient).sum(-1))
