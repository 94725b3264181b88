"""Knots: the broken line through given points that breaks least often."""

from dataclasses import dataclass
from functools import cache

import numpy as np

# What a piece of the broken line is for, seen from the last point that it holds: a single point whose slope is free, steeper or less steep
# than the chord before it; a chord through two points (or more, if they are in line).
FREE, UP, DOWN, CHORD = range(4)
_STATES = 4
# More pieces than there can be.
_FAR = 2**28
# Whether a piece without points lies between a piece and the one before it.
_DIRECT, _BRIDGED = 0, 1


@dataclass(frozen=True)
class BrokenLine:
    """A continuous, piecewise-linear function of one variable.

    Attributes:
        knots: where its slope changes, increasing, shape (M,).
        slopes: on the M + 1 pieces from left to right; shape (M + 1,), or (M + 1, k) with values in R^k.
        anchor: a point that it passes through: (position, value, index of the piece).
    """

    knots: np.ndarray
    slopes: np.ndarray
    anchor: tuple[float, np.ndarray | np.floating, int]


@dataclass(frozen=True)
class Cover:
    """How pieces cover the points: for each batch entry the number of pieces, and the choices that led to it."""

    pieces: np.ndarray
    choices: np.ndarray


def cover(chords: np.ndarray, steepest: float = np.inf) -> Cover:
    r"""The fewest pieces of a broken line through K points with scalar values.

    Two neighbouring pieces with slopes s and s' that hold the points k and k + 1 meet between them if and only if the slope m_k of the
    chord of these points lies between s and s'. So a piece may hold two neighbouring points (its slope is then that of their chord), or one
    (its slope is then free), and slopes alternate round the chords between pieces: the fewest pieces follow by dynamic programming over
    the states ``FREE``, ``UP``, ``DOWN``, ``CHORD``. Where the slopes do not alternate, or would exceed ``steepest``, a piece without
    points is put between. About K/2 pieces are needed at least, and K always suffice if slopes may be any.

    Args:
        chords: slopes m_k, shape (batch, K - 1).
        steepest: the largest slope that a piece which holds points may have.

    Returns:
        ``pieces`` (batch,) and what ``broken_line`` needs.
    """
    batch, count = chords.shape[0], chords.shape[1] + 1
    (cost, pending), windows = _start(np, chords, steepest)
    choices = np.zeros((count, _STATES, batch), np.int16)
    choices[1:2, CHORD] = -1
    for k, window in enumerate(zip(*windows, strict=True)):
        cost, pending, (links, longer, later) = _step(np, cost, pending, window, steepest)
        choices[k + 1, :CHORD] = links
        choices[k + 1, CHORD][longer] = -2
        if k + 2 < count:
            choices[k + 2, CHORD] = later
    pieces, last = cost.min(axis=0), cost.argmin(axis=0)
    return Cover(pieces, np.concatenate([choices.reshape(count * _STATES, batch), last[None].astype(np.int16)]))


def fewest_pieces(chords: np.ndarray, steepest: float = np.inf) -> np.ndarray:
    """``cover(chords, steepest).pieces``, compiled: for many batches of the same shape."""
    import jax

    with jax.enable_x64(True):
        return np.asarray(_compiled()(chords, steepest))


@cache
def _compiled():
    import jax
    import jax.numpy as jnp

    @jax.jit
    def run(chords, steepest):
        start, windows = _start(jnp, chords, steepest)
        (cost, _), _ = jax.lax.scan(lambda state, window: (_step(jnp, *state, window, steepest)[:2], None), start, windows)
        return cost.min(axis=0)

    return run


# Both runs, NumPy's with choices and the compiled one without, share the step.
def _start(xp, chords, steepest):
    """The costs before the first step, and the slopes before, at, and after each step."""
    m = chords.T
    cost = xp.stack([xp.ones(m.shape[1], np.int32)] + [xp.full(m.shape[1], _FAR, np.int32)] * (_STATES - 1))
    first = xp.abs(m[:1]).sum(axis=0)  # zero for a single point
    pending = xp.where(first > steepest, _FAR, 1).astype(np.int32)
    return (cost, pending), (xp.concatenate([m[:1], m[:-1]]), m, xp.concatenate([m[1:], m[-1:]]))


def _step(xp, cost, pending, window, steepest):
    """From the point k to k + 1: costs (states, batch) at k + 1, that of a chord which ends at k + 2, and the choices behind them.

    ``pending`` is the cost of the chord that ends at k + 1; ``window`` holds the slopes m_(k-1), m_k and m_(k+1).
    """
    before, m, after = window
    whichever, source = cost.min(axis=0), cost.argmin(axis=0)
    bridged, link = whichever + 1, 2 * source + _BRIDGED
    sides = []
    for side, steeper in ((1, UP), (-1, DOWN)):  # the cheapest state at k whose slope can lie above m, and below it
        beyond = side * (before - m) > 0
        fits = xp.stack([beyond | (state in (FREE, steeper)) for state in range(_STATES)]) & (side * m <= steepest)
        reached = xp.where(fits, cost, _FAR)
        sides.append((reached.min(axis=0), 2 * reached.argmin(axis=0) + _DIRECT))
    (above, from_above), (below, from_below) = sides
    up, down = xp.where(m > steepest, _FAR, below + 1), xp.where(-m > steepest, _FAR, above + 1)
    longer = (xp.abs(m - before) <= 1e-12 * (xp.abs(m) + xp.abs(before))) & (cost[CHORD] < pending)
    chord = xp.where(longer, cost[CHORD], pending)
    upward = after > m
    direct = xp.where(after == m, _FAR, xp.where(upward, below, above))
    later = xp.where(xp.abs(after) > steepest, _FAR, xp.minimum(direct, bridged) + 1)
    later_link = xp.where(direct <= bridged, xp.where(upward, from_below, from_above), link)
    return (
        xp.stack([bridged + 1, up, down, chord]).astype(np.int32),
        later.astype(np.int32),
        ((link, from_below, from_above), longer, later_link),
    )


def broken_line(t: np.ndarray, v: np.ndarray, steepest: float = np.inf) -> BrokenLine:
    """The broken line of fewest pieces through (t_k, v_k), t increasing; slopes that are free are as small as they can be.

    Vector values have one knot between neighbours (K - 1 in all). The line is level at the middle point; seen from there, each knot lies a
    quarter of the gap behind its point, so that a slope which is too steep is forgotten at a rate of 3 a piece.

    Args:
        t: shape (K,), K >= 1.
        v: shape (K,), or (K, k) for values in R^k.
        steepest: see ``cover``; scalar values only.
    """
    if len(t) == 1:
        return BrokenLine(np.empty(0), np.zeros((1, *v.shape[1:])), (float(t[0]), v[0], 0))
    gaps = np.diff(t)
    if v.ndim > 1:
        return _vector_line(t, v)
    m = np.diff(v) / gaps
    groups, links = _trace(cover(m[None], steepest), m)
    slopes = _slopes(m, groups, links)
    knots, all_slopes, anchor = [], [slopes[0]], (float(t[0]), v[0], 0)
    for (_, k), link, s, after in zip(groups, links, slopes, slopes[1:], strict=False):
        if link == 0:
            rise = (v[k + 1] - v[k] - (s + after) * gaps[k] / 4) / (gaps[k] / 2)
            knots += [t[k] + gaps[k] / 4, t[k + 1] - gaps[k] / 4]
            all_slopes += [rise, after]
        else:
            knots.append(t[k] + gaps[k] * (after - m[k]) / (after - s))
            all_slopes.append(after)
    return BrokenLine(np.array(knots), np.array(all_slopes), anchor)


def _vector_line(t: np.ndarray, v: np.ndarray) -> BrokenLine:
    middle = len(t) // 2
    gaps, chords = np.diff(t), np.diff(v, axis=0) / np.diff(t)[:, None]
    slopes = np.zeros_like(v)
    for k in range(middle, len(gaps)):
        slopes[k + 1] = (4 * chords[k] - slopes[k]) / 3
    for k in range(middle - 1, -1, -1):
        slopes[k] = (4 * chords[k] - slopes[k + 1]) / 3
    knots = np.concatenate([t[1 : middle + 1] - gaps[:middle] / 4, t[middle:-1] + gaps[middle:] / 4])
    return BrokenLine(knots, slopes, (float(t[middle]), v[middle], middle))


def _trace(found: Cover, m: np.ndarray) -> tuple[list[tuple[int, int]], list[int]]:
    """The points (first, last) of each piece, and what follows it: +1 a larger slope, -1 a smaller one, 0 a piece without points."""
    count = len(m) + 1
    choice, state = found.choices[:-1, 0].reshape(count, _STATES), int(found.choices[-1, 0])
    groups, links, k = [], [], count - 1
    while True:
        last, here = k, state
        while state == CHORD and choice[k, CHORD] == -2:
            k -= 1
        first = k - 1 if state == CHORD else k
        groups.append((first, last))
        if first == 0:
            return groups[::-1], links[::-1]
        state, bridged = divmod(int(choice[k, state]), 2)
        larger = here == UP or (here == CHORD and m[first] > m[first - 1])
        links.append(0 if bridged else 1 if larger else -1)
        k = first - 1


def _slopes(m: np.ndarray, groups: list[tuple[int, int]], links: list[int]) -> list[float]:
    """The slope of each piece: of its chord, or the smallest that lies on the right sides of the chords before and after."""
    slopes = []
    for (first, last), before, after in zip(groups, [0, *links], [*links, 0], strict=True):
        if last > first:
            slopes.append(float(m[first]))
            continue
        above = [m[k] for k, holds in ((first - 1, before > 0), (first, after < 0)) if holds]
        below = [m[k] for k, holds in ((first - 1, before < 0), (first, after > 0)) if holds]
        slopes.append(_nearest_zero(max(above, default=-np.inf), min(below, default=np.inf)))
    return slopes


def _nearest_zero(low: float, high: float) -> float:
    """The number of smallest size in the middle of (low, high), or a little inside a half-line."""
    inside = 0.25
    if np.isfinite(low) and np.isfinite(high):
        return float(np.clip(0.0, low + inside * (high - low), high - inside * (high - low)))
    if np.isfinite(low):
        return max(0.0, low + inside * (abs(low) + 1))
    if np.isfinite(high):
        return min(0.0, high - inside * (abs(high) + 1))
    return 0.0
