"""Knots: the broken line through given points that breaks least often."""

from dataclasses import dataclass

import numpy as np

# What a piece of the broken line is for, seen from the last point that it holds: a single point whose slope is free, steeper or less steep
# than the chord before it; a chord through two points (or more, if they are in line).
FREE, UP, DOWN, CHORD = range(4)
_STATES = 4
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
    far = 4 * count
    cost = np.full((count, _STATES, batch), far)
    choice = np.zeros((count, _STATES, batch), np.int16)
    cost[0, FREE] = 1
    steep = np.abs(chords.T) > steepest
    chord = chords.T
    if count > 1:
        cost[1, CHORD] = np.where(steep[0], far, 1)
        choice[1, CHORD] = -1
    for k in range(count - 1):
        m, before = chord[k], chord[k - 1] if k else None
        # the cheapest states at k whose slope can lie above the chord m, below it, and any
        sides = []
        for side in (1, -1):
            fits = np.empty((_STATES, batch), bool)
            fits[FREE] = True
            fits[UP if side > 0 else DOWN] = True
            beyond = np.zeros(batch, bool) if before is None else side * (before - m) > 0
            fits[DOWN if side > 0 else UP] = beyond
            fits[CHORD] = beyond
            fits &= ~(side * m > steepest)
            sides.append(_cheapest(np.where(fits, cost[k], far)))
        whichever, source = _cheapest(cost[k])
        (above, from_above), (below, from_below) = sides
        bridged = whichever + 1
        link = (source * 2 + _BRIDGED).astype(np.int16)
        cost[k + 1, FREE], choice[k + 1, FREE] = bridged + 1, link
        cost[k + 1, UP], choice[k + 1, UP] = np.where(m > steepest, far, below + 1), from_below * 2 + _DIRECT
        cost[k + 1, DOWN], choice[k + 1, DOWN] = np.where(-m > steepest, far, above + 1), from_above * 2 + _DIRECT
        in_line = np.zeros(batch, bool) if before is None else np.abs(m - before) <= 1e-12 * (np.abs(m) + np.abs(before))
        longer = in_line & (cost[k, CHORD] < cost[k + 1, CHORD])
        cost[k + 1, CHORD] = np.where(longer, cost[k, CHORD], cost[k + 1, CHORD])
        choice[k + 1, CHORD] = np.where(longer, -2, choice[k + 1, CHORD])
        if k + 2 < count:
            upward = chord[k + 1] > m
            direct = np.where(upward, below, above)
            direct = np.where(chord[k + 1] == m, far, direct)
            better = direct <= bridged
            total = np.where(better, direct, bridged) + 1
            cost[k + 2, CHORD] = np.where(steep[k + 1], far, total)
            choice[k + 2, CHORD] = np.where(better, np.where(upward, from_below, from_above) * 2 + _DIRECT, link)
    pieces, last = _cheapest(cost[-1])
    return Cover(pieces, np.concatenate([choice.reshape(count * _STATES, batch), last[None].astype(np.int16)]))


def _cheapest(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state = cost.argmin(axis=0)
    return np.take_along_axis(cost, state[None], 0)[0], state


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
