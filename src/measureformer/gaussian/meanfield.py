"""Clouds of tokens against the Gaussian flow: how fast they approach it as n grows, and when not to trust it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields import Linear, ParticleField
from ..flows import flow
from ..geometry import Euclidean
from ..measures import Gaussian
from .flow import Fate, GaussianFlow, gaussian_flow
from .stationary import heads_of, kind_of

TRUST = 0.5  # |A S| above which the weights of softmax rest on few tokens


@dataclass(frozen=True)
class MeanFieldCheck:
    r"""What ``meanfield_check`` found.

    Attributes:
        sizes: numbers of tokens n.
        mean, cov: of the clouds at the end, shapes (sizes, d) and (sizes, d, d); means over the seeds.
        error: the relative error of the covariance, $|S_n - S|_F / |S|_F$, root mean square over the seeds; infinite after a blow-up.
        rate: r of error ~ n^{-r}, by least squares; None with fewer than two sizes or after a blow-up.
        exact: the Gaussian flow.
        strength: |A S|, the largest over the heads, at the start and at the end; infinite after a blow-up.
        effective: the effective number of tokens behind an average at the start, for the largest n, see ``effective_sample_size``.
        trusted: whether the strength stays below 0.5 and nothing blows up; always for linear attention, where the closure is exact.
        warning: what to say if it is not, else "".
    """

    sizes: np.ndarray
    mean: np.ndarray
    cov: np.ndarray
    error: np.ndarray
    rate: float | None
    exact: GaussianFlow
    strength: tuple[float, float]
    effective: float
    trusted: bool
    warning: str


def tilt(gaussian: Gaussian, A: np.ndarray) -> float:
    r"""$(\mathbb{E}|S^{1/2} A x|^2)^{1/2}$: how far, in standard deviations, a typical query moves the average that it sees.

    $$ = (\operatorname{tr}(S A S A^\top) + m^\top A^\top S A m)^{1/2} . $$
    """
    S, m = np.asarray(gaussian.cov), A @ np.asarray(gaussian.mean)
    return float(np.sqrt(max(np.trace(S @ A @ S @ A.T) + m @ S @ m, 0.0)))


def effective_sample_size(gaussian: Gaussian, A: np.ndarray, n: int) -> float:
    r"""How many of n tokens of N(m, S) the softmax average at x rests on, for a typical x:

    $$ \frac{(\sum_j e^{s_j})^2}{\sum_j e^{2 s_j}} \approx n e^{-|S^{1/2} A x|^2}, $$
    here with the mean of the exponent, the square of ``tilt``.

    Args:
        gaussian: one measure.
        A: of the scores.
        n: number of tokens.
    """
    return float(n * np.exp(-(tilt(gaussian, A) ** 2)))


def meanfield_check(
    law: Any,
    gaussian: Gaussian,
    horizon: float,
    sizes: Sequence[int] = (100, 300, 1000),
    *,
    seeds: Sequence[int] = (0,),
    whitened: bool = True,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> MeanFieldCheck:
    """Run clouds of growing size and the Gaussian flow for the same time, and compare.

    A finite cloud under softmax never blows up: its tokens stay within R exp(|V| t). A Gaussian may. So beyond |A S| of about 1 the
    Gaussian flow says little about any cloud that fits into a computer, and T* is no prediction for one.

    Args:
        law: one that keeps Gaussians; in R^d.
        gaussian: one measure.
        horizon: T > 0.
        sizes: numbers of tokens, each above d.
        seeds: of the samples; the errors are averaged over them.
        whitened: start the clouds with exactly m and S.
        progress: called with the number of clouds done and of all.
        options: of the clouds' flow (rtol, atol, step).

    Raises:
        InputError: a batch; a law that does not keep Gaussians; no sizes, or no seeds.
    """
    if gaussian.batch:
        raise InputError(f"gaussian must be one measure, got a batch of shape {gaussian.batch}")
    if not len(sizes) or not len(seeds):
        raise InputError("give at least one size and one seed")
    exact = gaussian_flow(law, gaussian, horizon, converged=None)
    bursts = exact.fate is Fate.BLOW_UP
    goal = np.asarray(exact.final.cov)
    d, field = gaussian.dimension, ParticleField(law, Euclidean())
    means, covs, errors = np.zeros((len(sizes), d)), np.zeros((len(sizes), d, d)), np.full(len(sizes), np.inf)
    for k, n in enumerate(sizes):
        squares = 0.0
        for j, seed in enumerate(seeds):
            end = flow(field, gaussian.sample(n, seed=seed, whitened=whitened), horizon, **options).measures[0]
            x = np.asarray(end.points)
            mean, cov = x.mean(0), np.cov(x.T, bias=True).reshape(d, d)
            means[k] += mean / len(seeds)
            covs[k] += cov / len(seeds)
            squares += float(np.linalg.norm(cov - goal) ** 2) / len(seeds)
            if progress:
                progress(k * len(seeds) + j + 1, len(sizes) * len(seeds))
        if not bursts:
            errors[k] = np.sqrt(squares) / max(float(np.linalg.norm(goal)), 1e-300)
    rate = None
    if len(sizes) > 1 and not bursts and (errors > 0).all():
        rate = -float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])
    scores = [A for _, A in heads_of(law, d)]
    before, after = (max(float(np.linalg.norm(A @ S, 2)) for A in scores) for S in (np.asarray(gaussian.cov), goal))
    strength = before, float("inf") if bursts else after
    effective = min(effective_sample_size(gaussian, A, max(sizes)) for A in scores)
    # under linear attention the moments of every cloud obey the equations of the Gaussian
    warning = "" if kind_of(law) is Linear else _warning(exact, strength, bursts)
    return MeanFieldCheck(np.array(sizes), means, covs, errors, rate, exact, strength, effective, not warning, warning)


def _warning(exact: GaussianFlow, strength: tuple[float, float], bursts: bool) -> str:
    if bursts:
        return (
            f"the Gaussian blows up at t = {float(exact.time):.6g}, a finite cloud never does: from |A S| of order 1 on (it is "
            f"{strength[0]:.3g} at the start) the closure says nothing about clouds"
        )
    if max(strength) > TRUST:
        return (
            f"|A S| reaches {max(strength):.3g}, above {TRUST}: averages rest on few tokens, and clouds approach the Gaussian slowly; "
            "take many more tokens, or do not trust the closure"
        )
    return ""
