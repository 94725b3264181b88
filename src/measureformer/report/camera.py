"""Where to stand: orthographic views of the sphere, and what of dimension d > 3 can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .theme import raised

_LOOKED_AT = 300  # points of a cloud that have a say in where the camera stands


@dataclass(frozen=True)
class View:
    """An orthographic view: orthonormal directions on the paper, and towards the eye, each of shape (3,)."""

    right: np.ndarray
    up: np.ndarray
    toward: np.ndarray

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates on the paper and height towards the eye (positive: the front side) of points (n, 3)."""
        return points @ self.right, points @ self.up, points @ self.toward

    def visible(self, points: np.ndarray, margin: float = 0.12) -> float:
        """The share of the points that is on the front side, and not on its very rim."""
        return float(np.mean(points @ self.toward > margin))


def view_from(toward: np.ndarray) -> View:
    """The view from a direction with the third axis (on a globe: north) upwards."""
    toward = toward / np.linalg.norm(toward)
    north = np.array([0.0, 0.0, 1.0]) if abs(toward[2]) < 0.98 else np.array([0.0, 1.0, 0.0])
    up = north - (north @ toward) * toward
    up /= np.linalg.norm(up)
    return View(np.cross(up, toward), up, toward)


def best_view(clouds: Sequence[np.ndarray], candidates: int = 800) -> View:
    """The view that shows most of each cloud: the mean over clouds of min(height, 0.7) of their points, plus that of the worst cloud.

    Args:
        clouds: arrays (n_i, 3); each counts the same, however many points it has.
        candidates: how many directions of a Fibonacci spiral are tried.
    """
    k = np.arange(candidates) + 0.5
    height, turn = 1 - 2 * k / candidates, np.pi * (1 + 5**0.5) * k
    rim = np.sqrt(1 - height**2)
    directions = np.stack([rim * np.cos(turn), rim * np.sin(turn), height], axis=1)
    shown = np.array([np.minimum(_thin(x) @ directions.T, 0.7).mean(axis=0) for x in clouds])
    score = shown.mean(axis=0) + shown.min(axis=0) - 0.1 * np.abs(height) ** 3  # from the side rather than from above a pole
    return view_from(directions[np.argmax(score)])


def shared_view(groups: Sequence[Sequence[np.ndarray]], share: float = 0.93) -> list[View]:
    """A view for each group of clouds: the same for all if it shows the given share of every cloud, otherwise the best for each."""
    view = best_view([x for clouds in groups for x in clouds])
    if all(view.visible(x) >= share for clouds in groups for x in clouds):
        return [view] * len(groups)
    return [best_view(clouds) for clouds in groups]


def _thin(x: np.ndarray) -> np.ndarray:
    return x[:: -(-len(x) // _LOOKED_AT)]


@dataclass(frozen=True)
class Axes3:
    """Three orthonormal directions of R^d, shape (d, 3), and the share of the variance that they show (1 if d <= 3).

    The sphere S^{d-1} projects onto the unit ball; for d = 3 nothing is lost and the points stay on the sphere. The circle, d = 2, is the
    equator.
    """

    basis: np.ndarray
    share: float

    @property
    def flat(self) -> bool:
        """Whether the picture is a projection of something larger, so that points are inside the ball."""
        return len(self.basis) > 3

    @property
    def circle(self) -> bool:
        """Whether the sphere is a circle, looked at from above its plane."""
        return len(self.basis) == 2

    @property
    def said(self) -> str:
        """A sentence for a caption, after a space; nothing if all is seen."""
        axes = f" Projected on the first three principal axes of R{raised(len(self.basis))} ({100 * self.share:.0f} % of the variance)."
        return axes if self.flat else ""

    def __call__(self, points: np.ndarray) -> np.ndarray:
        # One coordinate after the other: a matrix product may round the same point differently in clouds of different sizes.
        points = np.asarray(points, float)
        return sum((points[:, [k]] * axis for k, axis in enumerate(self.basis)), np.zeros((len(points), 3)))


def principal_axes(clouds: Sequence[np.ndarray]) -> Axes3:
    """The first three principal axes of all points together (about their mean); the identity if d <= 3.

    Args:
        clouds: arrays (n_i, d), d >= 2, finite. Each cloud counts the same.
    """
    d = clouds[0].shape[1]
    if d <= 3:
        return Axes3(np.eye(d, 3), 1.0)
    points = np.concatenate(clouds)
    weights = np.concatenate([np.full(len(x), 1 / len(x)) for x in clouds])
    centred = (points - np.average(points, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.maximum(values[::-1], 0.0)
    # signs are free: the largest entry of an axis is positive, so that a picture comes out the same each time
    basis = vectors[:, ::-1][:, :3]
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), range(3)])
    return Axes3(basis, float(values[:3].sum() / values.sum()) if values.sum() > 0 else 1.0)


FLAT_VIEW = View(*np.eye(3))  # the first two principal axes on the paper, the third towards the eye
