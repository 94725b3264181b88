r"""Random ensembles: parameters that are drawn anew for each sample, the same ones for every point of the grid.

    [random]
    samples = 16
    "field.beta" = { law = "uniform", low = 0.5, high = 9.0 }
    "field.V" = { law = "normal", shape = ["measure.d", "measure.d"], std = 0.5 }

The laws: ``uniform`` and ``loguniform`` (low, high), ``normal`` (mean 0, std 1), ``integers`` (low, high, both possible), ``choice``
(values), and for square matrices ``symmetric``, (G + G^T) std / sqrt 2 with G of iid standard normal entries, and ``orthogonal``, std times
a matrix of the Haar measure of O(d). A ``shape`` holds numbers, or keys of the configuration; all laws but ``choice`` take one.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import InputError
from ...fields.laws import nearest

_NEEDED = {"uniform": ("low", "high"), "loguniform": ("low", "high"), "normal": (), "integers": ("low", "high"), "choice": ("values",)}
_MATRICES = ("symmetric", "orthogonal")
_KEYS = {**{law: (*needed, "shape") for law, needed in _NEEDED.items()}, "choice": ("values",), "normal": ("mean", "std", "shape")}
_KEYS |= dict.fromkeys(_MATRICES, ("std", "shape"))


@dataclass(frozen=True)
class Ensemble:
    """``samples`` draws of each parameter in ``laws``, all of them from ``seed``."""

    samples: int
    laws: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0

    def draw(self, sample: int, tables: Any) -> dict[str, Any]:
        """The parameters of a sample, as a configuration has them: numbers, texts, nested lists.

        Each key has its own stream: another key beside it, or another grid, changes nothing.
        """
        return {key: _draw(law, self._stream(key, sample), _shape(law, key, tables)) for key, law in self.laws.items()}

    def _stream(self, key: str, sample: int) -> np.random.Generator:
        word = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
        return np.random.default_rng([self.seed, word, sample])


def read_ensemble(table: dict[str, Any], seed: int, origin: str) -> Ensemble:
    """The table [random].

    Raises:
        InputError: about one key, by its path.
    """
    laws = dict(table)
    samples = laws.pop("samples", None)
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise InputError(f"{origin}: random.samples = {samples!r} must be a whole number, at least 1: how often to draw")
    for key, law in laws.items():
        _check(law, f"{origin}: random.{key!r}")
    return Ensemble(samples, laws, seed)


def _check(table: Any, place: str) -> None:
    law = table.get("law") if isinstance(table, dict) else None
    if law not in _KEYS:
        raise InputError(f"{place} needs a law; {nearest(str(law), _KEYS)}")
    for key in table.keys() - {"law"}:
        if key not in _KEYS[law]:
            raise InputError(f"{place}: the law {law!r} has no parameter {key!r}; {nearest(key, _KEYS[law])}")
    needed = ("shape",) if law in _MATRICES else _NEEDED[law]
    for key in needed:
        if key not in table:
            raise InputError(f"{place}: the law {law!r} needs {key}")
    for key in table.keys() & {"low", "high", "mean", "std"}:
        value, whole = table[key], law == "integers"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not np.isfinite(value):
            raise InputError(f"{place}.{key} = {value!r} must be a {'whole' if whole else 'finite'} number")
    if "low" in table and not (table["low"] < table["high"] and (law != "loguniform" or table["low"] > 0)):
        raise InputError(
            f"{place}: low = {table['low']} and high = {table['high']} do not bound an interval (loguniform: of positive numbers)"
        )
    if law == "choice" and not (isinstance(table["values"], list) and table["values"]):
        raise InputError(f"{place}.values = {table['values']!r} must be a list of what to choose from")
    shape = table.get("shape", [])
    if not (isinstance(shape, list) and all(isinstance(part, str) or (type(part) is int and part > 0) for part in shape)):
        raise InputError(f"{place}.shape = {shape!r} must be a list of sizes, or of keys such as 'measure.d'")
    if law in _MATRICES and not (len(shape) == 2 and shape[0] == shape[1]):
        raise InputError(f"{place}.shape = {shape!r}: the law {law!r} is one of square matrices, shape = [d, d]")


def _shape(law: dict[str, Any], key: str, tables: Any) -> tuple[int, ...]:
    sizes = []
    for part in law.get("shape", []):
        size: Any = part
        if isinstance(part, str):
            size = tables
            for name in part.split("."):
                size = size.get(name) if isinstance(size, dict) else None
        if type(size) is not int or size < 1:
            raise InputError(f"random.{key!r}.shape: {part} is no size in this configuration; write it out there, or give a number")
        sizes.append(size)
    return tuple(sizes)


def _draw(law: dict[str, Any], rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    name, low, high = law["law"], law.get("low", 0.0), law.get("high", 0.0)
    if name == "choice":
        return law["values"][int(rng.integers(len(law["values"])))]
    if name == "integers":
        return rng.integers(low, high, shape, endpoint=True).tolist()
    if name == "uniform":
        return rng.uniform(low, high, shape).tolist() if shape else float(rng.uniform(low, high))
    if name == "loguniform":
        return np.exp(rng.uniform(np.log(low), np.log(high), shape)).tolist()
    G, std = rng.standard_normal(shape), float(law.get("std", 1.0))
    if name == "symmetric":
        return (std * (G + G.T) / np.sqrt(2)).tolist()
    if name == "orthogonal":
        Q, R = np.linalg.qr(G)
        return (std * Q * np.sign(np.diag(R))).tolist()
    return (float(law.get("mean", 0.0)) + std * np.asarray(G)).tolist()
