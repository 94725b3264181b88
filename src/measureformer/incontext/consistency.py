"""Is a model on lists of tokens a function of their measure at all?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .domain import Ball, UnitSphere


@dataclass(frozen=True)
class Consistency:
    """How far a model on lists is from a function of their measure, in the largest distance of two outputs that should be equal.

    Attributes:
        repeated: called twice with the same list.
        ordered: rows in another order.
        copied: each row two, three or seven times in the list.
        ghosts: rows of weight zero added (NaN for models without weights).
        split: a row written as two, with a quarter and three quarters of its weight (NaN for models without weights).
        size: largest norm of an output.
        worst: the test with the largest distance, and ``witness`` the list where it was found.
    """

    repeated: float
    ordered: float
    copied: float
    ghosts: float
    split: float
    size: float
    worst: str
    witness: np.ndarray

    def holds(self, tolerance: float = 1e-12) -> bool:
        """Whether all distances are below ``tolerance`` (1 + size)."""
        return bool(np.nanmax([self.repeated, self.ordered, self.copied, self.ghosts, self.split]) <= tolerance * (1 + self.size))


def consistency(
    tokens: Callable[..., Any],
    domain: Ball | UnitSphere | None = None,
    *,
    weighted: bool = False,
    lengths: tuple[int, ...] = (1, 4, 9),
    rounds: int = 2,
    seed: int = 0,
) -> Consistency:
    """Whether F(X) depends on X through the measure of its rows alone: the first thing to ask of a model before ``classify``.

    F must not see how often the whole list is repeated, nor the order; with weights, not rows without weight, nor how mass at one place is
    written. Attention with log-weights passes to rounding; position encodings, dropout and norms that depend on the size fail.

    Args:
        tokens: F, called with a list (n, d), or with ``weighted`` with a list and weights (n,) >= 0; returns (n, k), row by row.
        domain: where the tokens are; the unit ball of R if None.
        weighted: whether F takes weights.
        lengths: numbers of tokens.
        rounds: random lists of each length.
        seed: of them.

    Raises:
        InputError: F returns another number of rows.
    """
    rng, domain = np.random.default_rng(seed), domain or Ball()
    found: dict[str, float] = dict.fromkeys(("repeated", "ordered", "copied", "ghosts", "split"), 0.0 if weighted else float("nan"))
    found |= dict.fromkeys(("repeated", "ordered", "copied"), 0.0)
    size, worst, witness = 0.0, "repeated", np.zeros((1, domain.dimension))

    def model(x, a):
        y = np.asarray(tokens(x, a / a.sum()) if weighted else tokens(x), float)
        if y.ndim != 2 or len(y) != len(x):
            raise InputError(f"the model returns an array of shape {y.shape} for {len(x)} tokens; it must have one row for each")
        return y

    for n in lengths:
        for _ in range(rounds):
            x, a = domain.sample(rng, n), rng.uniform(0.2, 1, n) if weighted else np.ones(n)
            y = model(x, a)
            size = max(size, float(np.linalg.norm(y, axis=1).max()))
            for name, places, masses, rows in _rewritten(x, a, domain, rng, weighted):
                apart = float(np.linalg.norm(model(places, masses)[: len(rows)] - y[rows], axis=1).max())
                if apart > np.nanmax(list(found.values())):
                    worst, witness = name, x
                found[name] = max(found[name], apart)
    return Consistency(**found, size=size, worst=worst, witness=witness)


def _rewritten(x, a, domain, rng, weighted):
    """The same measure in other words: (name, rows, weights, which old row each of the first ones is)."""
    rows = np.arange(len(x))
    yield "repeated", x, a, rows
    turn = rng.permutation(len(x))
    yield "ordered", x[turn], a[turn], turn
    for k in (2, 3, 7):
        yield "copied", np.tile(x, (k, 1)), np.tile(a, k), np.tile(rows, k)
    if weighted:
        yield "ghosts", np.concatenate([x, domain.sample(rng, 3)]), np.append(a, np.zeros(3)), rows
        shares = np.concatenate([[0.25 * a[0]], a[1:], [0.75 * a[0]]])
        yield "split", np.concatenate([x, x[:1]]), shares, np.append(rows, 0)
