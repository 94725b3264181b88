"""From a schedule to layers: segments whose flow one residual block executes exactly."""

import numpy as np

from ..errors import InputError
from ..flows import boost_as_block, constant_field, exact_flow, line_as_block
from ..schedule import Segment
from .network import ResidualBlock


def as_residual_block(segment: Segment) -> ResidualBlock:
    """The post-norm block with the same map: shears by their own weights times the duration, boosts by one neuron, flows along lines by
    ``line_as_block`` if every neuron (or every sign of a hinge {u, -u}) moves along its own line.

    Raises:
        InputError: the segment is none of these.
    """
    found = exact_flow(segment)
    method = found[0] if found else None
    f = segment.field
    if method == "shear":
        return ResidualBlock(W=segment.duration * f.W, U=f.U, phase=segment.phase)
    if method == "line" and (W := line_as_block(f.W, f.U, segment.duration)) is not None:
        return ResidualBlock(W=W, U=f.U, phase=segment.phase)
    if method == "boost":
        d, h = f.W.shape
        w = segment.duration * constant_field(f)
        W, U, b = np.zeros((d, h)), np.zeros((h, d)), np.zeros(h)
        W[:, :1], U[:1], b[:1] = boost_as_block(w)
        return ResidualBlock(W=W, U=U, b=b, phase=segment.phase)
    several = ", and several of its neurons work along one line" if method == "line" else ""
    raise InputError(
        f"a segment of phase {segment.phase!r} is neither a shear nor a boost nor a set of hinges{several}: "
        f"no single residual block has the same map; split it into segments that are"
    )
