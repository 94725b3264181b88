"""Hinges: linear contractions and expansions of the chart along chosen directions, each of them one pair of neurons."""

from collections.abc import Sequence

import numpy as np

from ..fields import TransformerField
from ..geometry import GnomonicChart
from ..schedule import Segment


def hinges(
    chart: GnomonicChart, directions: Sequence[np.ndarray], rates: Sequence[float], width: int, phase: str, *, center: float = 0.0
) -> list[Segment]:
    r"""Segments of duration 1 after which <q, xi> - center has been multiplied by exp(rate), for each direction q.

    With $u = q - \text{center}\, p$ (times <p, x> it is the distance from the hinge) the field $\kappa\, q\, (\langle u, x \rangle_+ -
    \langle -u, x \rangle_+) = \kappa\, q\, \langle u, x \rangle$ is linear on rays: an exact flow, and exactly one residual block with
    $e^\kappa - 1$ in place of $\kappa$.

    Args:
        chart: the gnomonic chart.
        directions: orthonormal vectors of the chart, shape (d-1,) each.
        rates: kappa of each; negative contracts.
        width: neurons of a segment, two for each direction.
        phase: name given to the segments.
        center: height of the hinge along each direction.
    """
    segments, d = [], chart.pole.size
    room = width // 2
    for start in range(0, len(directions), room):
        U, W = np.zeros((width, d)), np.zeros((d, width))
        for k, (q, rate) in enumerate(zip(directions[start : start + room], rates[start : start + room], strict=True)):
            vector = chart.vectors(np.asarray(q))
            row = vector - center * chart.pole
            U[2 * k], U[2 * k + 1] = row, -row
            W[:, 2 * k], W[:, 2 * k + 1] = rate * vector, -rate * vector
        segments.append(Segment(TransformerField(W=W, U=U), 1.0, phase))
    return segments
