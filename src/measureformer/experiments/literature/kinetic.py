"""Five tokens on the circle: three meetings, then a wait sixty times as long (kinetic.py of 2410.06833)."""

from collections.abc import Sequence

import numpy as np

from ...diagnostics import clusters, interaction_energy
from ...dynamics import Coarsening, coarsen
from ...fields import Softmax
from ...fields.layers import PostLN
from ...measures import Empirical
from ..simulate import CLUSTER_ANGLE
from .page import Page, Panel, Picture, Series, Settings, Table

ANGLES, BETA, HORIZON = (0.0622, 0.2143, 1.8191, 2.9111, -3.0952), 4.0, 400.0


def tokens() -> Empirical:
    """The five tokens."""
    theta = np.array(ANGLES)
    return Empirical(np.stack([np.cos(theta), np.sin(theta)], axis=1))


def exact_merges() -> Coarsening:
    """The flow, until all have met."""
    return coarsen(tokens(), BETA, HORIZON)


def layered_merges(step: float) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Times at which the number of clusters (cosine 0.999) falls under layers x <- N(x + step A(x)); all times; energies."""
    x, w, law = tokens().points, np.full(5, 0.2), Softmax(BETA)
    states, merged, count, before = [x], [], 5, 0
    for k in range(1, round(HORIZON / step) + 1):
        x = PostLN(step).step(x, lambda y: law(y, y, w), k)
        states.append(x)
        near = np.count_nonzero(x @ x.T > np.cos(CLUSTER_ANGLE))
        left, before = (clusters(x, CLUSTER_ANGLE).count if near != before else count), near
        merged += [k * step] * (count - left)
        count = left
        if left == 1:
            break
    energies = interaction_energy(np.array(states), BETA, normalisation="unit")
    return merged, step * np.arange(len(states)), np.asarray(energies)


def reproduce(settings: Settings) -> Page:
    """The merge times of the flow and of the published scheme; the energy between them."""
    run = exact_merges()
    steps = (0.1, 0.01) if settings.full else (0.1,)
    curves = [Series(run.times, run.energies, "flow", "line", 0)]
    times: dict[str, Sequence[float]] = {"flow": [merge.time for merge in run.merges]}
    for color, step in enumerate(steps, 1):
        settings.progress("layers", color - 1, len(steps))
        merged, t, energies = layered_merges(step)
        times[f"layers of {step}"] = merged
        curves.append(Series(t, energies, f"layers of step {step}", "dashed", color))
    plateau = run.energies[(run.times > 10) & (run.times < 200)]
    rows = [[name, *(float(t) for t in found)] for name, found in times.items()]
    theta = np.array(ANGLES)
    ring = [Series(np.cos(theta), np.sin(theta), "", "dots", 0)]
    shown = [run.times > 0.05, *(slice(1, None) for _ in steps)]
    curves = [Series(c.x[keep], c.y[keep], c.label, c.look, c.color) for c, keep in zip(curves, shown, strict=True)]
    late = times[f"layers of {steps[0]}"][-1] / times["flow"][-1] - 1
    return Page(
        "kinetic",
        "Five tokens and a long wait",
        "Geshkovski, Koubbi, Polyanskiy, Rigollet, Dynamic metastability in the self-attention model, arXiv:2410.06833 (kinetic.py)",
        [
            "Merge times of the flow (cosine 0.999): " + ", ".join(f"{t:.3f}" for t in times["flow"]) + ".",
            f"From t = 10 to 200 the energy stays between {plateau.min():.4f} and {plateau.max():.4f} of its maximum: two clusters of "
            f"masses 2/5 and "
            "3/5 would have 0.52 if they were infinitely far apart.",
            f"The published scheme is late: its step of {steps[0]} puts the last meeting at {times[f'layers of {steps[0]}'][-1]:.1f}, "
            f"{100 * late:.0f} % after that of the flow, because x <- N(x + eta A(x)) does not project A first and slows everything by 1 "
            f"+ eta <A, x>.",
        ],
        [
            ("law, n, d, beta", "softmax, n = 5, d = 2, beta = 4", "the same", ""),
            ("angles", ", ".join(map(str, ANGLES)), "the same", ""),
            ("time", "T = 400, layers of step 0.1", f"flow with error control; layers of step {steps[-1]} "
            f"too", "exact times beside theirs"),
        ],
        [
            "The printed energy is at most 1/(2 beta), which tends to 0; statements about plateaus need the one normalised to 1, as here.",
            "The step of 0.1 moves the last merge by more than a tenth.",
        ],
        [
            Picture(
                "kinetic", "Left: the start. Right: the energy against time.",
                [Panel("the five tokens", ring, kind="circle"),
                 Panel("energy", curves, xlabel="time", ylabel="energy / maximum", log_x=True)],
                columns=2,
            )
        ],
        [Table("merges", "Merge times", ["method", "first", "second", "third", "last"], rows)],
        {"merges": {name: list(map(float, found)) for name, found in times.items()}, "plateau": np.quantile(plateau, [0, 1]).tolist()},
    )  # fmt: skip
