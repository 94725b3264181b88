"""Schedules with segments of every kind."""

import numpy as np

from measureformer import Schedule, Segment, TransformerField


def random_schedule(seed: int, d: int = 3) -> Schedule:
    """Segments of every kind: full attention, mean-field attention, boosts, shears, general perceptrons."""
    rng = np.random.default_rng(seed)
    e = np.linalg.qr(rng.normal(size=(d, d)))[0]
    fields = [
        TransformerField(V=rng.normal(size=(d, d)) / 2, B=rng.normal(size=(d, d))),
        TransformerField(V=np.outer(e[0], e[0])),
        TransformerField(W=rng.normal(size=(d, d)) / 2, b=rng.normal(size=d)),
        TransformerField(W=np.outer(e[0], [2.0, -2.0]), U=np.stack([e[1], e[1] - 0.3 * e[2]])),
        TransformerField(W=rng.normal(size=(d, 4)) / 2, U=rng.normal(size=(4, d)), b=rng.normal(size=4)),
    ]
    return Schedule(Segment(f, float(t), name) for f, t, name in zip(fields, rng.uniform(0.2, 1, 5), "abbcc", strict=True))
