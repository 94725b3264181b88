"""Hardmax attention: the limit of softmax for beta to infinity."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Bool, Float

from .._types import Array, Matrix, Scalar, namespace
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
        seen: Bool[Array, "n m"] | None = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        queries, keys = queries_and_keys(self, x, points, t)
        xp = namespace(queries, keys, weights, seen)
        scores = queries @ xp.swapaxes(keys, -1, -2)
        mass = xp.broadcast_to(masses(weights, seen), scores.shape)
        if not self.itself:
            mass = xp.where((x[..., :, None, :] == points[..., None, :, :]).all(-1), 0, mass)
        scores = xp.where(mass > 0, scores, -xp.inf)
        best = scores.max(-1, keepdims=True)
        best = xp.where(best > -xp.inf, best, 0)
        return average(xp.where(scores >= best - self.tie * (1 + abs(best)), mass, 0), transform(self.V, points, t, "V"))
