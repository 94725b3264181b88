"""From a schedule to layers: segments whose flow one residual block executes exactly."""

import numpy as np

from ..errors import InputError
from ..fields import perceptron
from ..flows import boost_as_block, exact_flow
from ..schedule import Segment
from .network import ResidualBlock


def as_residual_block(segment: Segment) -> ResidualBlock:
    """The post-norm block with the same map: shears by their own weights times the duration, boosts by one neuron.

    Raises:
        InputError: the segment is neither a shear nor a boost.
    """
    found = exact_flow(segment)
    method = found[0] if found else None
    f = segment.field
    if method == "shear":
        return ResidualBlock(W=segment.duration * f.W, U=f.U, phase=segment.phase)
    if method == "boost":
        d, h = f.W.shape
        w = segment.duration * perceptron(np.zeros(d), f.W, None, f.b)
        W, U, b = np.zeros((d, h)), np.zeros((h, d)), np.zeros(h)
        W[:, :1], U[:1], b[:1] = boost_as_block(w)
        return ResidualBlock(W=W, U=U, b=b, phase=segment.phase)
    raise InputError(f"a segment of phase {segment.phase!r} is neither a shear nor a boost: no single residual block has the same map")
