"""The matrices of attention heads, and their spectra, on the unit sphere of the tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .load import TrainedModel
from .states import NormCall

# Names of queries, keys, values and output in the modules of the families; the output of BERT lies one module further up.
_FAMILIES = (
    ("query", "key", "value", ("dense", "../output.dense")),
    ("q_proj", "k_proj", "v_proj", ("o_proj", "out_proj")),
    ("q_lin", "k_lin", "v_lin", ("out_lin",)),
    ("q", "k", "v", ("o",)),
)


@dataclass(frozen=True)
class Head:
    r"""A head as it acts on unit vectors u: scores $\langle u, B v \rangle$ with $B = \frac{d}{\sqrt k} G W_Q^T W_K G$, values
    $V = \sqrt d \, W_O W_V G$, where G is the gain of the norm in front and tokens have norm $\sqrt d$ before it. Biases are left out.

    Attributes:
        value_spectrum: the k eigenvalues of V that are not 0 by rank, largest real part first.
        score_spectrum: the at most 2k eigenvalues of (B + B^T) / 2 that are not 0 by rank, largest first.
        beta: $|(B + B^T)/2|_F / \sqrt d$, which is beta for B = beta I.
    """

    value_spectrum: np.ndarray
    score_spectrum: np.ndarray
    beta: float


def heads_of(model: TrainedModel, norms: Sequence[NormCall | None]) -> list[list[Head]] | None:
    """The heads of each layer; None for an architecture whose matrices are not recognised.

    Args:
        model: its attention modules are found by the names of their matrices.
        norms: of each hidden state, for the gains (1 where None).

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794: beta of a head is (d |B|_F^2)^(1/2) for tokens of norm sqrt(d).
    """
    layers = _attention_matrices(model)
    if len(layers) == 1 and model.shared:
        layers = layers * model.layers
    if len(layers) != model.layers:
        return None
    return [_heads(model, matrices, norm) for matrices, norm in zip(layers, norms[: model.layers], strict=True)]


def _heads(model: TrainedModel, matrices: tuple[np.ndarray, ...], norm: NormCall | None) -> list[Head]:
    Q, K, V, O = matrices
    d = Q.shape[1]
    gain = np.ones(d) if norm is None else norm.gain
    Q, K, V = Q * gain, K * gain, V * gain
    k = Q.shape[0] // model.heads
    group = Q.shape[0] // K.shape[0]  # heads that share keys and values
    found = []
    for h in range(model.heads):
        own, common = slice(h * k, (h + 1) * k), slice(h // group * k, (h // group + 1) * k)
        q, key, v = Q[own], K[common], V[common]
        values = np.sqrt(d) * np.linalg.eigvals(v @ O[:, own])
        # (q^T key + key^T q) / 2 = [q^T key^T] J [q; key], of the same non-zero spectrum as R J R^T
        R = np.asarray(np.linalg.qr(np.concatenate([q, key]).T, mode="r"))
        J = np.kron([[0.0, 0.5], [0.5, 0.0]], np.eye(k))
        scores = d / np.sqrt(k) * np.linalg.eigvalsh(R @ J @ R.T)[::-1]
        found.append(Head(values[np.argsort(-values.real)], scores, float(np.linalg.norm(scores) / np.sqrt(d))))
    return found


def _attention_matrices(model: TrainedModel) -> list[tuple[np.ndarray, ...]]:
    modules = dict(model.network.named_modules())
    layers = []
    for name, module in modules.items():
        for *three, outs in _FAMILIES:
            if all(_is_matrix(getattr(module, part, None)) for part in three) and (out := _output(modules, name, outs)) is not None:
                layers.append(tuple(_matrix(part) for part in (*(getattr(module, part) for part in three), out)))
        fused, out = getattr(module, "c_attn", None), getattr(module, "c_proj", None)
        if _is_matrix(fused) and _is_matrix(out):
            layers.append((*np.split(_matrix(fused), 3), _matrix(out)))
    d = model.dimension
    return [matrices for matrices in layers if all(M.shape[1] == d for M in matrices[:3]) and matrices[3].shape[0] == d]


def _output(modules: dict[str, Any], name: str, candidates: Sequence[str]) -> Any:
    for candidate in candidates:
        up = candidate.startswith("../")
        base = name.rpartition(".")[0] if up else name
        module = modules.get(".".join(part for part in (base, candidate.removeprefix("../")) if part))
        if _is_matrix(module):
            return module
    return None


def _is_matrix(module: Any) -> bool:
    return getattr(getattr(module, "weight", None), "ndim", 0) == 2


def _matrix(module: Any) -> np.ndarray:
    """As it acts on columns; Conv1D of GPT-2 keeps the transpose."""
    weight = module.weight.detach().double().numpy()
    return weight.T if type(module).__name__ == "Conv1D" else weight
