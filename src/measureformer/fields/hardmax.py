"""Hardmax attention: the limit of softmax for beta to infinity."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..kernels import query_blocks
from .pairs import About, average, masses, queries_and_keys, transform


class Hardmax(eqx.Module):
    r"""The barycentre of the atoms of the best score:

    $$ A[\mu](x) = \frac{\int_{C(x)} V y \, \mu(dy)}{\mu(C(x))}, \qquad
       C(x) = \arg\max \{ \langle Q x, K y \rangle : y \in \operatorname{supp} \mu, \; y \ne x \}. $$

    On the sphere with Q = K = I a token that could see itself would see nothing else, so atoms at x are left out (a statement about places,
    so that splitting an atom changes nothing). The field jumps where C(x) changes, and trajectories are not unique there.

    Args:
        Q, K, V: see ``fields.pairs``.
        itself: whether x sees atoms at its own place.
        tie: scores that differ by less than tie * (1 + |best score|) count as equal.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2305.05465 (in R^d, where x sees itself too), arXiv:2312.10794.
    """

    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    itself: bool = eqx.field(static=True, default=False)
    tie: Scalar = 1e-12

    about: ClassVar[About] = About(
        name="hardmax",
        formula="mean of Vy over the atoms y ≠ x with the largest ⟨Qx,Ky⟩",
        gradient="none known (the field jumps)",
        gaussian="no (the maximum over an unbounded support is not attained)",
        mean_field="open (the field jumps)",
        source="arXiv:2312.10794; arXiv:2305.05465",
    )

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        queries, keys = queries_and_keys(self, x, points, t)
        values, d = transform(self.V, points, t, "V"), x.shape[-1]
        xp = namespace(queries, keys, weights, seen)

        def best(both, rows):
            x, queries = both[..., :d], both[..., d:]
            scores = queries @ xp.swapaxes(keys, -1, -2)
            mass = xp.broadcast_to(masses(weights, seen, rows), scores.shape)
            if not self.itself:
                mass = xp.where((x[..., :, None, :] == points[..., None, :, :]).all(-1), 0, mass)
            scores = xp.where(mass > 0, scores, -xp.inf)
            top = scores.max(-1, keepdims=True)
            top = xp.where(top > -xp.inf, top, 0)
            return average(xp.where(scores >= top - self.tie * (1 + abs(top)), mass, 0), values)

        return query_blocks(best, xp.concatenate([x, queries], -1), points)
