"""Flows of attention and of Vlasov equations that are known in closed form, as in-context maps."""

from typing import Any

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from .maps import InContextMap


def mean_flow(V: Float[Array, "d d"], t: float) -> InContextMap:
    r"""x' = V m(mu), attention that does not look: $X_t = x + (e^{tV} - I) m_0$."""
    from scipy.linalg import expm

    push = expm(t * np.asarray(V)) - np.eye(len(V))
    return InContextMap(lambda mu, x: x + push @ mu.mean(), "flow of the mean")


def consensus_flow(kappa: float, t: float) -> InContextMap:
    r"""x' = -kappa (x - m): $X_t = m + e^{-\kappa t} (x - m)$."""
    return InContextMap(lambda mu, x: mu.mean() + np.exp(-kappa * t) * (x - mu.mean()), "consensus")


def gaussian_flow(v: float, b: float, mean: float, variance: float, t: float) -> InContextMap:
    r"""x' = v int e^{b x y} y dmu / int e^{b x y} dmu on the line, mu normal:

    $$ X_t(x) = \phi\, (x + m_0 (e^{vt} - 1)), \qquad \phi = (1 - 2 v b \Sigma_0 t)^{-1/2}. $$

    Args:
        v, b: value and score.
        mean, variance: of the normal law at time 0.
        t: time, before the blow-up at 1/(2 v b Sigma_0) if v b > 0.

    Raises:
        InputError: t is after the blow-up.
    """
    left = 1 - 2 * v * b * variance * t
    if not left > 0:
        raise InputError(f"t = {t} is not before the blow-up at {1 / (2 * v * b * variance):.6g}; take a shorter time")
    return InContextMap(lambda mu, x: (x + mean * np.expm1(v * t)) / np.sqrt(left), "flow of a normal law")


def harmonic_flow(omega: float, t: float) -> InContextMap:
    r"""x' = w, w' = -omega^2 (x - m_x): each token swings round the mean, which moves on:
    $X = m_x + m_w t + \cos(\omega t)(x - m_x) + \sin(\omega t)/\omega\,(w - m_w)$, $W = m_w + \dot{}$ of the rest."""
    c, s = np.cos(omega * t), np.sin(omega * t)

    def at(mu, z):
        (mx, mw), (x, w) = np.split(mu.mean(), 2), np.split(z, 2, axis=1)
        return namespace(z).concatenate([mx + t * mw + c * (x - mx) + s / omega * (w - mw), mw - omega * s * (x - mx) + c * (w - mw)], 1)

    return InContextMap(at, "harmonic flow")


def alignment_flow(kappa: float, t: float) -> InContextMap:
    r"""x' = w, w' = kappa (m_w - w): $X = x + m_w t + (1 - e^{-\kappa t})/\kappa\,(w - m_w)$, $W = m_w + e^{-\kappa t}(w - m_w)$."""
    decay = np.exp(-kappa * t)

    def at(mu, z):
        mw, (x, w) = np.split(mu.mean(), 2)[1], np.split(z, 2, axis=1)
        return namespace(z).concatenate([x + t * mw + (1 - decay) / kappa * (w - mw), mw + decay * (w - mw)], 1)

    return InContextMap(at, "alignment flow")


def poisson_flow(r: float, t: float) -> InContextMap:
    r"""x' = P_x m(mu) on the circle, mu the Poisson kernel with mean (r, 0):

    $$ \tan(X_t/2) = e^{-\gamma} \tan(\theta/2), \quad \gamma = \log\frac{1 + r_t}{1 - r_t} - \log\frac{1 + r}{1 - r}, \quad
       \frac{r_t^2}{1 - r_t^2} = \frac{r^2 e^t}{1 - r^2}. $$

    Args:
        r: length of the mean, in [0, 1).
        t: time.

    Raises:
        InputError: r is out of range.
    """
    if not 0 <= r < 1:
        raise InputError(f"r must be in [0, 1), got {r}")
    odds = r**2 * np.exp(t) / (1 - r**2)
    end = np.sqrt(odds / (1 + odds))
    shrink = (1 - end) / (1 + end) * (1 + r) / (1 - r)

    def at(mu, x):
        half = np.arctan2(shrink * np.sin(np.arctan2(x[:, 1], x[:, 0]) / 2), np.cos(np.arctan2(x[:, 1], x[:, 0]) / 2))
        return np.stack([np.cos(2 * half), np.sin(2 * half)], 1)

    return InContextMap(at, "flow of a Poisson kernel")


def symmetric_pair_rate(u: Any, v: float, b: float) -> Any:
    r"""u' of the pair +-u on the line with value v and score b: $u' = v u \tanh(b u^2)$."""
    return v * u * np.tanh(b * u**2)
