"""The loop of the Gaussian flow: each measure has a lane with its own time, step and end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields.gaussians import laws_in, some_laws
from . import implicit, steps
from .steps import Slope, congruence, mean_and_cov, slopes_of, stacked

_ATTEMPT = {"adaptive": (steps.runge_kutta, steps.ORDER), "implicit": (implicit.implicit, implicit.ORDER)}

_GROWN = 1e3  # a blow-up is looked for when the size has grown by this
_CLOSE = 1e-6  # and believed when the growth time is that fraction of the time
_POWER = 50.0  # of (T* - t) in a blow-up, at most; a larger one is an exponential
_REACH = 0.4  # of the growth time: the longest step
_HUGE = 1e250  # of the covariance


@dataclass(frozen=True)
class Rules:
    """How to run; see ``gaussian_flow``."""

    horizon: float
    times: np.ndarray
    method: str
    rtol: float
    atol: float
    step: float
    converged: float | None
    max_steps: int


class Lanes:
    """Measures N(m, S), arrays (n, d) and (n, d, d), under one law or each under its own, advanced until the last one has ended."""

    def __init__(self, law: Any, rules: Rules, means: np.ndarray, covs: np.ndarray):
        from ..measures import Gaussian

        self.law, self.rules, self.one_law = law, rules, None if laws_in(law) else slopes_of(law)
        self.y = stacked(Gaussian(means, covs))
        n, d = means.shape
        self.t = np.zeros(n)
        self.k, self.B = self._slopes(np.arange(n))(self.t, self.y)
        self.moving = self._mean_acts(means, covs)
        self.size, self.tau, self.rate = self._measure(self.y, self.k)
        self.start_size, self.tau_before, self.t_before = self.size.copy(), np.full(n, np.inf), np.zeros(n)
        rest = np.zeros(n, bool) if rules.converged is None else self.rate < rules.converged
        self.free = rest & (abs(self.k[..., 0]).max(1) >= (rules.converged or 0))  # only their means move
        pace = (abs(self.k).max(1) / np.maximum(abs(self.y).max(1), 1e-300)).max(1)
        self.h = np.minimum(rules.horizon, 0.05 / np.maximum(pace, 1e-300))
        self.next = np.zeros(n, int)
        self.steps, self.rejected = np.zeros(n, int), np.zeros(n, int)
        self.code, self.end = np.full(n, "", dtype=object), np.zeros(n)
        self.mean, self.cov = np.full((n, len(rules.times), d), np.nan), np.full((n, len(rules.times), d, d), np.nan)

    def run(self) -> dict[str, np.ndarray]:
        """Everything of ``GaussianFlow``, by name, with the names of fates as ``code``."""
        self._save(np.arange(len(self.t)))
        self._judge(np.arange(len(self.t)))
        while (active := np.flatnonzero(self.code == "")).size:
            self._attempt(active)
        end_mean, end_cov = mean_and_cov(self.y)
        found = {"end_mean": end_mean, "end_cov": end_cov, "mean": self.mean, "cov": self.cov, "code": self.code, "time": self.end}
        return {**found, "rate": self.rate, "steps": self.steps, "rejected": self.rejected}

    def _slopes(self, i: np.ndarray) -> Slope:
        """Those of the lanes i."""
        return self.one_law or slopes_of(some_laws(self.law, i))

    def _mean_acts(self, means: np.ndarray, covs: np.ndarray) -> bool:
        """Whether B depends on the mean."""
        B, other = (some_laws(self.law, [0]).on_gaussian(m, covs[:1], 0.0)[1] for m in (means[:1], means[:1] + 1))
        return bool((B != other).any())

    def _measure(self, y: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Size q, growth time q / q' (infinite if it shrinks), and |S'|_F, with |u| if the mean acts on S."""
        first = 0 if self.moving else 1
        size = (y[..., first:] ** 2).sum((1, 2))
        growth = 2 * (y[..., first:] * k[..., first:]).sum((1, 2))
        half = k[..., 1:] @ np.swapaxes(y[..., 1:], -1, -2)
        rate = np.linalg.norm(half + np.swapaxes(half, -1, -2), axis=(1, 2))
        if self.moving:
            rate = np.maximum(rate, np.linalg.norm(k[..., 0], axis=1))
        return size, np.where(growth > 0, size / np.where(growth > 0, growth, 1), np.inf), rate

    def _attempt(self, i: np.ndarray) -> None:
        """One step of the lanes i; they end at saved times."""
        times, rules = self.rules.times, self.rules
        goal = np.append(times, rules.horizon)[self.next[i]]
        if rules.method == "congruence":
            h = np.minimum(rules.step, 0.25 / np.maximum(np.linalg.norm(self.B[i], axis=(1, 2)), 1e-300))
        else:  # what blows up at time T* has a power series that converges for less than T* - t
            h = np.minimum(np.minimum(self.h[i], rules.step), _REACH * self.tau[i])
        left = goal - self.t[i]
        last = left <= h * (1 + 1e-9)
        h = np.where(last, left, np.where(left < 2 * h, left / 2, h))
        end = np.where(last, goal, self.t[i] + h)
        if rules.method == "congruence":
            new = congruence(self.y[i], self.k[i], self.B[i], h)
            slope, self.B[i] = self._slopes(i)(end, new)
            error = np.where(np.isfinite(new[..., 1:]).all((1, 2)), 0.0, np.inf)
        else:
            attempt, order = _ATTEMPT[rules.method]
            new, slope, error = attempt(self._slopes(i), self.t[i], self.y[i], h, self.k[i], rules.rtol, rules.atol)
            factor = np.where(np.isfinite(error), np.clip(0.9 * np.maximum(error, 1e-16) ** (-1 / order), 0.2, 5.0), 0.1)
            grown = np.where(h < self.h[i], np.maximum(self.h[i], h * factor), h * factor)
            self.h[i] = np.where(error > 1, h * np.minimum(factor, 0.9), grown)
        good = error <= 1
        self.rejected[i[~good]] += 1
        self._accept(i[good], end[good], new[good], slope[good])
        stuck = i[~good]
        stuck = stuck[(self.h[stuck] <= 16 * np.finfo(float).eps * self.t[stuck]) | (rules.method == "congruence")]
        large = self.size[stuck] > _HUGE**0.5
        self._end(stuck[large], "OVERFLOW")
        self._end(stuck[~large], "STEP_SIZE")
        self._end(i[self.steps[i] + self.rejected[i] >= rules.max_steps], "STEPS")

    def _accept(self, i: np.ndarray, end: np.ndarray, new: np.ndarray, slope: np.ndarray) -> None:
        self.t_before[i], self.tau_before[i] = self.t[i], self.tau[i]
        self.t[i], self.y[i], self.k[i] = end, new, slope
        self.steps[i] += 1
        self.size[i], self.tau[i], self.rate[i] = self._measure(new, slope)
        # on the way to a blow-up everything happens in the growth time, steps too
        shorter = np.isfinite(self.tau_before[i]) & (self.tau[i] < self.tau_before[i])
        self.h[i] *= np.where(shorter, self.tau[i] / np.where(shorter, self.tau_before[i], 1), 1.0)
        self._save(i)
        self._judge(i)

    def _save(self, i: np.ndarray) -> None:
        times = self.rules.times
        i = i[self.next[i] < len(times)]
        i = i[self.t[i] == times[self.next[i]]]
        if i.size:
            self.mean[i, self.next[i]], self.cov[i, self.next[i]] = mean_and_cov(self.y[i])
            self.next[i] += 1

    def _judge(self, i: np.ndarray) -> None:
        """End the lanes that have come to an end."""
        t, tau = self.t[i], self.tau[i]
        fall, passed = self.tau_before[i] - tau, t - self.t_before[i]
        power = np.where(np.isfinite(fall) & (fall > 0), passed / np.where(fall > 0, fall, 1), np.inf)
        bursts = (self.size[i] > _GROWN * self.start_size[i]) & (tau < _CLOSE * t) & (power < _POWER)
        rest = np.zeros(len(i), bool) if self.rules.converged is None else self.rate[i] < self.rules.converged
        self._end(i[bursts], "BLOW_UP")
        self.end[i[bursts]] += (power * tau)[bursts]
        self._end(i[rest & (~self.free[i] | (t == self.rules.horizon))], "CONVERGED")
        self._end(i[t == self.rules.horizon], "HORIZON")
        self._end(i[~(self.size[i] < _HUGE)], "OVERFLOW")

    def _end(self, i: np.ndarray, code: str) -> None:
        """The lanes among these that have not ended yet end here."""
        i = i[self.code[i] == ""]
        self.code[i] = code
        self.end[i] = self.t[i]
