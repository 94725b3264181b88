"""A field whose tokens are spread over the devices of a mesh."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from ..kernels import TOKENS
from .combine import MultiHead, Scaled
from .harmonic import Harmonic
from .particle import ParticleField
from .transformer import TransformerField


class Sharded(eqx.Module):
    r"""The same field, for tokens that are spread over devices: each device has n / P of them and finds their velocities.

    Laws with harmonics add up the moments of all devices, one all-reduce of O(L^{d-1}) numbers whatever n; the others send the tokens round
    a ring. The values are those of ``field`` up to rounding.

    Args:
        field: ``ParticleField`` without a mask, of laws that are ``parallel``, or ``TransformerField``.
        mesh: of devices, with the one axis ``TOKENS``.

    Raises:
        InputError: a field whose sums do not spread.
    """

    field: Any
    mesh: Mesh = eqx.field(static=True)

    def __check_init__(self):
        check_parallel(self.field)

    @property
    def space(self) -> Any:
        """Of the field."""
        return self.field.space

    def __call__(
        self, x: Float[Array, "*batch n d"], points: Float[Array, "*batch m d"], weights: Float[Array, "*batch m"], t: Any = 0.0
    ) -> Float[Array, "*batch n d"]:
        """v[mu](x); P divides n and m."""
        return on_devices(lambda field, x, points, weights: field(x, points, weights, t), self.mesh, self.field, x, points, weights)


def tokens_first(array: Any, axis: int) -> PartitionSpec:
    """The layout of an array whose tokens are along this axis (negative)."""
    return PartitionSpec(*[None] * (array.ndim + axis), TOKENS)


def on_devices(function: Callable[..., Any], mesh: Mesh, field: Any, x: Any, points: Any, weights: Any, *, everywhere: bool = False) -> Any:
    """``function(field, x, points, weights)`` on every device for its own tokens.

    The results have the tokens of x; or, if ``everywhere``, they are numbers on which all the devices agree.
    """
    numbers, other = eqx.partition(field, eqx.is_array)
    laid_out = PartitionSpec(), *(tokens_first(a, axis) for a, axis in ((x, -2), (points, -2), (weights, -1)))
    # without check_vma: that check asks of every loop in every law that its start is marked as different on each device
    return jax.shard_map(
        lambda numbers, *rest: function(eqx.combine(numbers, other), *rest),
        mesh=mesh, in_specs=laid_out, out_specs=PartitionSpec() if everywhere else laid_out[1], check_vma=False,
    )(numbers, x, points, weights)  # fmt: skip


def check_parallel(field: Any) -> None:
    """Whether the tokens of a field can be spread over devices.

    Raises:
        InputError: they cannot.
    """
    if isinstance(field, TransformerField):
        return
    if not isinstance(field, ParticleField):
        raise InputError(f"the sums of {type(field).__name__} do not spread over devices; leave mesh out")
    if field.mask is not None:
        raise InputError("under a mask every token has another measure, which does not spread over devices; leave mesh out")
    for law in _laws(field.law):
        if not getattr(law, "parallel", False):
            raise InputError(f"the law {type(law).__name__} needs all tokens on one device; leave mesh out, or take softmax")


def _laws(law: Any) -> Iterator[Any]:
    if isinstance(law, Scaled | Harmonic):
        yield from _laws(law.law)
    elif isinstance(law, MultiHead):
        for head in law.heads:
            yield from _laws(head)
    else:
        yield law
