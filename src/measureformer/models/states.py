"""Hidden states as measures on the sphere: what the norm of a layer makes of them, before its gain."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from .load import TrainedModel

_AGREE = 1e-3  # of a norm with its formula, in float32
_EPS = ("eps", "variance_epsilon", "epsilon")  # names of what is added to the variance


@dataclass(frozen=True)
class NormCall:
    """Which norm belongs to a hidden state: the ``call``-th of a run; whether it subtracts the mean; its gain g (d,)."""

    call: int
    centred: bool
    gain: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Layered:
    """One text in all layers: ``directions`` and ``raw`` (L + 1, n, d) on the sphere; ``entropy`` (L, heads) of the attention, in nats.

    ``raw`` are the hidden states divided by their norms, gain and all.
    """

    directions: np.ndarray
    raw: np.ndarray
    entropy: np.ndarray


@dataclass
class Recorder:
    r"""Runs a model and takes its hidden states as points of the sphere.

    A norm computes $g \odot \hat h + b$, $\hat h = h / \mathrm{rms}(h)$ (RMSNorm) or the same of h minus its mean (LayerNorm). The point
    of a hidden state is $\hat h / \sqrt d$: of the norm that produced it (Post-LN), or of the one that reads it (Pre-LN). Gains are undone
    by looking at the input of the norm, not by division. Which norm it is, and of which kind, is found by running: a hidden state equals
    the output or the input of a call, and the call equals its formula. Where no norm fits, the point is h / |h|.
    """

    model: TrainedModel
    norms: list[NormCall | None] | None = None

    def run(self, batch: Sequence[list[int]]) -> list[Layered]:
        """The texts of a batch, in its order.

        Raises:
            InputError: the model returns no hidden states.
        """
        longest = max(map(len, batch))
        filled = [[*text, *[0] * (longest - len(text))] for text in batch]
        masks = [[1] * len(text) + [0] * (longest - len(text)) for text in batch]
        like = next(self.model.network.parameters())
        tokens, seen = (like.new_tensor(rows).long() for rows in (filled, masks))
        calls: list[tuple[Any, Any, Any]] = []
        with ExitStack() as hooks:
            for module in self.model.network.modules():
                if "norm" in type(module).__name__.lower() and getattr(module, "weight", None) is not None:
                    handle = module.register_forward_hook(lambda m, given, made: calls.append((m, given[0], made)))
                    hooks.callback(handle.remove)
            made = self.model.network(input_ids=tokens, attention_mask=seen, output_hidden_states=True, output_attentions=True)
        hidden = getattr(made, "hidden_states", None)
        if not hidden:
            raise InputError(f"MODEL: {self.model.name} returns no hidden states; give an encoder or a decoder of text")
        if self.norms is None:
            self.norms = [_norm_of(state, calls) for state in hidden]
        return [self._of(row, len(text), hidden, calls, getattr(made, "attentions", None)) for row, text in enumerate(batch)]

    def _of(self, row: int, n: int, hidden: Any, calls: list, attentions: Any) -> Layered:
        assert self.norms is not None
        raw = np.stack([state[row, :n].double().numpy() for state in hidden])
        points = raw.copy()
        for layer, norm in enumerate(self.norms):
            if norm is not None:
                points[layer] = calls[norm.call][1][row, :n].double().numpy()
                if norm.centred:
                    points[layer] -= points[layer].mean(-1, keepdims=True)
        entropy = np.zeros((0, 0))
        if attentions is not None and all(a is not None for a in attentions) and len(attentions):
            share = np.stack([a[row, :, :n, :n].double().numpy() for a in attentions])
            entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(-1).mean(-1)
        return Layered(_unit(points), _unit(raw), entropy)


def _unit(x: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(size > 0, size, 1)


def _norm_of(state: Any, calls: list[tuple[Any, Any, Any]]) -> NormCall | None:
    for side in (2, 1):
        for number, call in enumerate(calls):
            if call[side].shape == state.shape and bool((call[side] == state).all()):
                return _kind(number, *call)
    return None


def _kind(number: int, module: Any, given: Any, made: Any) -> NormCall | None:
    """Centred or not, and whether the gain is the weight or 1 + the weight: the pair whose formula gives what the norm gave."""
    x, y = (value.double().numpy().reshape(-1, value.shape[-1]) for value in (given, made))
    weight = module.weight.detach().double().numpy()
    bias = getattr(module, "bias", None)
    shift = 0 if bias is None else bias.detach().double().numpy()
    eps = next((getattr(module, name) for name in _EPS if getattr(module, name, None) is not None), 1e-6)
    best, found = np.inf, None
    for centred in (True, False):
        z = x - x.mean(-1, keepdims=True) if centred else x
        z = z / np.sqrt((z**2).mean(-1, keepdims=True) + eps)
        for gain in (weight, 1 + weight):
            error = abs(gain * z + shift - y).max() / abs(y).max()
            if error < best:
                best, found = error, NormCall(number, centred, gain)
    return found if best <= _AGREE else None
