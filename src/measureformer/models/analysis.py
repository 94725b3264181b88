"""Analyze: many texts through a model, number by number, batch by batch, without losing what is done."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..experiments.shelf import Shelf
from .heads import Head, heads_of
from .load import TrainedModel, load_model, windows
from .quantities import BINS, EDGES, QUANTITIES, histogram, quantities
from .states import Recorder
from .timing import EquiangularFit, fit_equiangular

CLUSTER_ANGLE = 0.45  # radians: a cosine of 0.9
_CHUNK = 64  # texts of a part
_QUIET: Callable[[str, int, int], None] = lambda what, done, total: None  # noqa: E731


@dataclass(frozen=True)
class Analysis:
    """What a model makes of texts, layer by layer (layer 0: after the embedding).

    Attributes:
        model: name, layers, dimension, heads, window, and which norm gives the points of each layer.
        texts, cut, tokens: how many texts, how many of them were longer than the model takes, how many tokens in all.
        values: (windows, L + 1, quantities), the columns named by ``QUANTITIES``.
        sizes: tokens of each window.
        entropy: (windows, L, heads) of the attention, in nats; empty if the model does not return attention.
        counts, raw_counts: (L + 1, bins) of pair cosines in the cells of ``edges``; ``raw``: of hidden states with their gains.
        heads: of each layer, None if the architecture is not recognised.
        fit: of the equiangular curve to the mean cosines, None if they do not grow.
        notes: what the reader must know.
    """

    model: dict[str, Any]
    texts: int
    cut: int
    tokens: int
    values: np.ndarray
    sizes: np.ndarray
    entropy: np.ndarray
    counts: np.ndarray
    raw_counts: np.ndarray
    heads: list[list[Head]] | None
    fit: EquiangularFit | None
    notes: list[str] = field(default_factory=list)
    edges: np.ndarray = field(default_factory=lambda: EDGES, repr=False)
    __repr__ = brief

    def mean(self, quantity: str) -> np.ndarray:
        """Over the windows, for each layer."""
        return self.values[:, :, QUANTITIES.index(quantity)].mean(0)

    def stderr(self, quantity: str) -> np.ndarray:
        """Standard error of that mean; 0 for a single window."""
        return _stderr(self.values[:, :, QUANTITIES.index(quantity)])

    def density(self, *, raw: bool = False) -> np.ndarray:
        """Of the pair cosines: (L + 1, bins), integral 1."""
        counts = self.raw_counts if raw else self.counts
        return counts / (counts.sum(-1, keepdims=True) * np.diff(EDGES))

    def rows(self) -> list[tuple[int, str, float, float, int | None]]:
        """(layer, quantity, value, standard error, head); head is None where the quantity is not one of a head.

        Layer l leads from the points l - 1 to the points l: its attention and its heads have the number l, from 1.
        """
        found: list[tuple[int, str, float, float, int | None]] = []
        for quantity in QUANTITIES:
            both = zip(self.mean(quantity), self.stderr(quantity), strict=True)
            found += [(l, quantity, float(m), float(s), None) for l, (m, s) in enumerate(both)]
        if self.entropy.size:
            all_heads = self.entropy.mean(-1)
            found += [
                (l + 1, "attention_entropy", float(all_heads[:, l].mean()), float(_stderr(all_heads)[l]), None)
                for l in range(all_heads.shape[1])
            ]
            mean, error = self.entropy.mean(0), _stderr(self.entropy)
            found += [(l + 1, "head_attention_entropy", float(mean[l, h]), float(error[l, h]), h) for l, h in np.ndindex(*mean.shape)]
        for l, layer in enumerate(self.heads or [], 1):
            for h, head in enumerate(layer):
                V, B = head.value_spectrum, head.score_spectrum
                found += [
                    (l, "head_beta", head.beta, 0.0, h),
                    (l, "head_value_leading_real", float(V[0].real), 0.0, h),
                    (l, "head_value_leading_imag", float(V[0].imag), 0.0, h),
                    (l, "head_value_radius", float(abs(V).max()), 0.0, h),
                    (l, "head_score_largest", float(B[0]), 0.0, h),
                    (l, "head_score_smallest", float(B[-1]), 0.0, h),
                ]
        return found


def analyze(
    model: TrainedModel | str | Path,
    texts: Sequence[str],
    *,
    layers: int | None = None,
    window: int | None = None,
    angle: float = CLUSTER_ANGLE,
    memory_mb: float = 512.0,
    parts: Path | None = None,
    progress: Callable[[str, int, int], None] = _QUIET,
) -> Analysis:
    """The tokens of each text as a measure on the sphere, followed through the layers of a trained model.

    Args:
        model: loaded, or a folder or name for ``load_model``.
        texts: each is one measure; longer ones than the model takes are cut into windows, each a measure of its own.
        layers: for ``load_model``, beyond the trained depth where layers share weights.
        window: tokens at a time; by default as many as the model takes.
        angle: of the clusters, in radians.
        memory_mb: bound for the tensors of one batch, from which its size follows.
        parts: a folder for finished parts; an interrupted analysis with the same arguments goes on from them.
        progress: called as ``progress(what, done, total)``.

    Raises:
        InputError: no text, nothing but texts of one token, a model that can't be loaded or has no hidden states, or parts of
            another analysis.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Figure 1.
    """
    if isinstance(texts, str) or not len(texts):
        raise InputError(f"texts must be a sequence of at least one text, got {texts if isinstance(texts, str) else 'none'!r}")
    if not 0 <= angle <= np.pi:
        raise InputError(f"angle must lie in [0, pi] radians, got {angle}")
    if not isinstance(model, TrainedModel):
        progress("loading the model", 0, 0)
        model = load_model(model, layers=layers)
    cut_up = list(windows(model, texts, window))
    usable = [(number, tokens) for number, tokens in cut_up if len(tokens) >= 2]
    if not usable:
        raise InputError("texts: every text is a single token, and there are no pairs; give longer texts")
    shelf = None if parts is None else Shelf(parts, _parameters(model, texts, window, angle))
    recorder = Recorder(model)
    recorder.run([usable[0][1]])  # finds the norms
    chunks = [usable[start : start + _CHUNK] for start in range(0, len(usable), _CHUNK)]
    done: list[dict[str, np.ndarray]] = []
    for k, chunk in enumerate(chunks):
        progress("reading", k * _CHUNK, len(usable))
        name = f"part-{k:05d}"
        found = None if shelf is None else shelf.load(name)
        if found is None:
            found = _chunk(recorder, [tokens for _, tokens in chunk], angle, memory_mb)
            if shelf is not None:
                shelf.save(name, found)
        done.append(found)
    values, sizes, entropy = (np.concatenate([part[key] for part in done]) for key in ("values", "sizes", "entropy"))
    counts, raw_counts = (np.sum([part[key] for part in done], axis=0) for key in ("counts", "raw_counts"))
    notes = _notes(recorder, usable, cut_up, len(texts))
    heads = heads_of(model, recorder.norms or [])
    if heads is None:
        notes.append("The matrices of this architecture are not recognised: no spectra of heads.")
    cosines = values[:, :, QUANTITIES.index("mean_cosine")].mean(0)
    fit = fit_equiangular(cosines, max(2, round(sizes.mean()))) if len(cosines) >= 3 else None
    if fit is None:
        notes.append("The mean cosine does not grow over the layers: no equiangular flow is fitted.")
    if not entropy.size:
        notes.append("The model returns no attention weights: no entropy of attention.")
    about = {
        "name": model.name, "layers": model.layers, "trained_layers": model.trained_layers, "dimension": model.dimension,
        "heads": model.heads, "window": window or model.window, "shared_weights": model.shared,
        "norms": ["none" if norm is None else "LayerNorm" if norm.centred else "RMSNorm" for norm in recorder.norms or []],
    }  # fmt: skip
    return Analysis(about, len(texts), _cut(cut_up), int(sizes.sum()), values, sizes, entropy, counts, raw_counts, heads, fit, notes)


def _chunk(recorder: Recorder, texts: list[list[int]], angle: float, memory_mb: float) -> dict[str, np.ndarray]:
    """The numbers of some windows; windows of like length go together."""
    model = recorder.model
    found: list[Any] = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    counts, raw_counts = (np.zeros((model.layers + 1, BINS), np.int64) for _ in range(2))
    while order:
        longest = len(texts[order[-1]])
        each = 4 * longest * (model.layers + 1) * (6 * model.dimension + model.heads * longest)
        size = max(1, int(memory_mb * 1e6 / each))
        batch, order = order[-size:], order[:-size]
        for i, layered in zip(batch, recorder.run([texts[i] for i in batch]), strict=True):
            of_layers = [quantities(points, angle) for points in layered.directions]
            counts += np.stack([row for _, row in of_layers])
            upper = np.triu_indices(layered.raw.shape[1], 1)
            raw_counts += np.stack([histogram(np.clip(raw @ raw.T, -1, 1)[upper]) for raw in layered.raw])
            found[i] = np.stack([row for row, _ in of_layers]), layered.entropy
    return {
        "values": np.stack([value for value, _ in found]),
        "entropy": np.stack([entropy for _, entropy in found]),
        "sizes": np.array([len(text) for text in texts]),
        "counts": counts,
        "raw_counts": raw_counts,
    }


def _cut(pieces: Sequence[tuple[int, list[int]]]) -> int:
    """How many texts consist of several windows."""
    numbers = np.bincount([number for number, _ in pieces])
    return int((numbers > 1).sum())


def _notes(recorder: Recorder, usable: list, pieces: list, texts: int) -> list[str]:
    notes = []
    if cut := _cut(pieces):
        longest = max(len(tokens) for _, tokens in pieces)
        notes.append(f"{cut} of {texts} texts are longer than {longest} tokens and were cut into windows; each window is a measure.")
    if len(usable) < len(pieces):
        notes.append(f"{len(pieces) - len(usable)} windows of a single token have no pairs and were left out.")
    bare = [layer for layer, norm in enumerate(recorder.norms or []) if norm is None]
    if bare:
        notes.append(f"No norm was found for the hidden states {bare}: their points are h / |h|.")
    return notes


def _stderr(x: np.ndarray) -> np.ndarray:
    return np.zeros(x.shape[1:]) if len(x) < 2 else x.std(0, ddof=1) / np.sqrt(len(x))


def _parameters(model: TrainedModel, texts: Sequence[str], window: int | None, angle: float) -> dict[str, Any]:
    """What the numbers depend on."""
    text = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
    found = {name: version(name) for name in ("measureformer", "transformers", "numpy")}
    return {"model": model.name, "layers": model.layers, "window": window, "angle": angle, "texts": text, "versions": found}
