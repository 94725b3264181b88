"""A run that writes as it goes: parts of its trajectory, each a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..flows import Checkpoint, Moment, Moments
from .unfinished import UNREADABLE, Unfinished


class Parts:
    """``folder/part-00000.npz``, ...: saved states, and after the last one of each part what the integrator knows there.

    A part is written every two seconds, and when ``flush`` is called; then the manifest, which names the parts that are whole.

    Args:
        folder: where; created when the first part is written.
        identity: a digest of all that the result depends on: parts of another run are never continued.
    """

    def __init__(self, folder: Path, identity: str):
        self.run = Unfinished(folder, identity)
        self.names: list[str] = []
        self.written = self.kept = 0
        self.latest: Checkpoint | None = None

    @property
    def begun(self) -> bool:
        """Whether anything is on disk."""
        return bool(self.names)

    @property
    def moments(self) -> Sequence[Moment] | Moments:
        """What was kept."""
        return self.latest.moments if self.latest else []

    def load(self) -> Checkpoint | None:
        """What an interrupted run left; None if there is nothing.

        Raises:
            InputError: it is of another run, or damaged.
        """
        if not self.run.exists:
            return None
        manifest, moments, memory = self.run.read(), [], {}
        try:
            for name in manifest["parts"]:
                more, memory = taken_apart(self.run.arrays(name))
                moments += more
            self.names = list(manifest["parts"])
        except UNREADABLE as error:
            raise self.run.damaged(error) from None
        self.written = self.kept = len(moments)
        self.latest = Checkpoint(moments, memory)
        return self.latest

    def keep(self, checkpoint: Checkpoint) -> None:
        """The next saved state: a ``keep`` for ``flow``."""
        self.latest, self.kept = checkpoint, len(checkpoint.moments)
        if not self.names or self.run.due:
            self.flush()

    def flush(self) -> None:
        """Write what was kept and is not yet on disk."""
        if self.latest is None or self.written == self.kept:
            return
        # Ctrl-C may have come between a state and what the integrator knows there: then the state is left out
        new = [self.latest.moments[k] for k in range(self.written, self.kept)]
        name = f"part-{len(self.names):05d}.npz"
        self.run.write(name, put_together(new, self.latest.memory), {"parts": [*self.names, name], "time": new[-1].time})
        self.names, self.written = [*self.names, name], self.kept


def put_together(moments: Sequence[Moment], memory: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Saved states, and what the integrator knows at the last one, as the arrays of a file."""
    return {
        "times": np.array([moment.time for moment in moments]),
        "points": np.stack([moment.points for moment in moments]),
        **{f"integral.{name}": np.stack([moment.integrals[name] for moment in moments]) for name in moments[0].integrals},
        **{f"quantity.{name}": np.stack([moment.quantities[name] for moment in moments]) for name in moments[0].quantities},
        **{f"memory.{name}": value for name, value in memory.items()},
    }


def taken_apart(part: dict[str, np.ndarray]) -> tuple[list[Moment], dict[str, np.ndarray]]:
    """The inverse of ``put_together``; raises KeyError or ValueError if something is missing."""

    def group(kind: str) -> dict[str, np.ndarray]:
        return {key.removeprefix(f"{kind}."): value for key, value in part.items() if key.startswith(f"{kind}.")}

    integrals, quantities, moments = group("integral"), group("quantity"), []
    for k, (time, points) in enumerate(zip(part["times"], part["points"], strict=True)):
        sums, seen = ({name: values[k] for name, values in named.items()} for named in (integrals, quantities))
        moments.append(Moment(float(time), points, sums, seen))
    return moments, group("memory")
