"""The discrete network: an ordinary post-norm Transformer."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._brief import brief
from .._files import write_tensors, write_whole
from ..errors import InputError
from ..fields import attention, perceptron
from ..geometry import normalize

FORMAT = 1
FORMULAS = {
    "attention": "x_i <- normalize(x_i + V sum_j p_ij x_j), p_ij proportional to w_j exp(<B x_i, x_j>) (B absent: p_ij = w_j)",
    "residual": "x_i <- normalize(x_i + W max(U x_i + b, 0)) (U, b absent: zero)",
}


@dataclass(frozen=True)
class AttentionLayer:
    """x -> normalize(x + V A_B[mu](x)), one head. V (d, d); B (d, d) or None for zero."""

    V: np.ndarray
    B: np.ndarray | None = None
    phase: str = ""
    kind = "attention"
    __repr__ = brief

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters that are present, by name."""
        return {name: M for name, M in (("V", self.V), ("B", self.B)) if M is not None}

    def __call__(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return normalize(x + attention(x, x, weights, self.B) @ self.V.T)


@dataclass(frozen=True)
class ResidualBlock:
    """x -> normalize(x + W (U x + b)_+). W (d, h), U (h, d) or None, b (h,) or None."""

    W: np.ndarray
    U: np.ndarray | None = None
    b: np.ndarray | None = None
    phase: str = ""
    kind = "residual"
    __repr__ = brief

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters that are present, by name."""
        return {name: M for name, M in (("W", self.W), ("U", self.U), ("b", self.b)) if M is not None}

    def __call__(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return normalize(x + perceptron(x, self.W, self.U, self.b))


Layer = AttentionLayer | ResidualBlock


@dataclass(frozen=True)
class Network:
    """Layers applied one after the other to the tokens of one measure."""

    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        return f"Network({len(self.layers)} layers, {self.attention_layers} of attention, width {self.width})"

    def __call__(self, points: np.ndarray, weights: np.ndarray, dtype: type[np.floating] = np.float64) -> np.ndarray:
        """The tokens after the last layer, computed in ``dtype`` throughout (parameters, tokens, weights).

        Args:
            points: tokens, shape (n, d).
            weights: shape (n,), sum 1.
            dtype: float64 or float32.
        """
        x, w = np.asarray(points, dtype), np.asarray(weights, dtype)
        for layer in self.layers:
            x = replace(layer, **{name: M.astype(dtype) for name, M in layer.parameters().items()})(x, w)
        return x

    @property
    def attention_layers(self) -> int:
        """How many of the layers are attention."""
        return sum(layer.kind == "attention" for layer in self.layers)

    @property
    def width(self) -> int:
        """The largest number of neurons of a residual block."""
        return max((layer.W.shape[1] for layer in self.layers if isinstance(layer, ResidualBlock)), default=0)


def describe(network: Network) -> dict:
    """The list of layers as ``network.json`` holds it: kind, phase, shapes of the parameters."""
    layers = [
        {
            "index": k,
            "kind": layer.kind,
            "phase": layer.phase,
            "parameters": {name: list(M.shape) for name, M in layer.parameters().items()},
        }
        for k, layer in enumerate(network.layers)
    ]
    return {"format": FORMAT, "formulas": FORMULAS, "width": network.width, "layers": layers}


def tensors_of(network: Network) -> dict[str, np.ndarray]:
    """The parameters by the names that they have on disk: ``layer.{k}.V`` (.B, .W, .U, .b; absent = zero)."""
    return {f"layer.{k}.{name}": M for k, layer in enumerate(network.layers) for name, M in layer.parameters().items()}


def save_network(directory: str | Path, network: Network) -> None:
    """Write ``network.safetensors`` (tensors ``layer.{k}.V`` .B .W .U .b, float64) and ``network.json`` (``describe``)."""
    directory = Path(directory)
    write_tensors(directory / "network.safetensors", tensors_of(network), {"format": str(FORMAT)})
    write_whole(directory / "network.json", (json.dumps(describe(network), indent=1) + "\n").encode())


def load_network(directory: str | Path) -> Network:
    """Read what ``save_network`` wrote.

    Raises:
        InputError: a file is missing or damaged, of another format, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    directory = Path(directory)
    try:
        description = json.loads((directory / "network.json").read_text())
        tensors = load_file(str(directory / "network.safetensors"))
        if description["format"] != FORMAT:
            raise InputError(f"{directory}/network.json has format {description['format']!r}; this version reads format {FORMAT}")
        kinds = {"attention": AttentionLayer, "residual": ResidualBlock}
        layers = tuple(
            kinds[entry["kind"]](**{name: tensors[f"layer.{entry['index']}.{name}"] for name in entry["parameters"]}, phase=entry["phase"])
            for entry in description["layers"]
        )
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(
            f"the network in {directory} cannot be read ({error!r}); write it again with `measureformer interpolate`"
        ) from None
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise InputError(f"{directory}/network.safetensors: tensor {name} holds numbers that are not finite; the file is damaged")
    return Network(layers)
