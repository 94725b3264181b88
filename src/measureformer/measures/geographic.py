"""Places on the globe as points of the unit sphere S^2, and back."""

import numpy as np
from jaxtyping import Float

from ..errors import InputError


def first_invalid(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> tuple[int, str] | None:
    """The first row that is no place on the globe, with what is wrong there; ``None`` if every row is one."""
    for name, angle, limit in (("latitude_deg", latitude_deg, 90), ("longitude_deg", longitude_deg, 360)):
        valid = np.abs(angle) <= limit  # false for NaN and infinity as well
        if not valid.all():
            row = int(np.argmin(valid))
            return row, f"{name} = {angle[row]} is not an angle in degrees from -{limit} to {limit}; mend or remove it"
    return None


def from_latitude_longitude(latitude_deg, longitude_deg) -> Float[np.ndarray, "n 3"]:
    r"""Points of the unit sphere from angles in degrees,

    $$x_0 = \cos\phi\,\cos\lambda, \quad x_1 = \cos\phi\,\sin\lambda, \quad x_2 = \sin\phi,$$

    with latitude $\phi$ and longitude $\lambda$: x_2 points to the north pole, x_0 to the place in the Gulf of Guinea where both are zero.

    Args:
        latitude_deg: north is positive, in [-90, 90], shape (n,).
        longitude_deg: east is positive, in [-360, 360], so that both customs (-180 to 180, 0 to 360) are read, shape (n,).

    Returns:
        Points of norm 1 up to rounding, float64, shape (n, 3).

    Raises:
        InputError: different or wrong shapes, NaN, infinity, an angle out of its range.

    Example:
        >>> from_latitude_longitude([0.0], [0.0])
        array([[1., 0., 0.]])
    """
    latitude_deg, longitude_deg = (np.asarray(angle, np.float64, order="C") for angle in (latitude_deg, longitude_deg))
    if latitude_deg.ndim != 1 or latitude_deg.shape != longitude_deg.shape:
        raise InputError(
            f"latitude_deg and longitude_deg must have the same shape (n,), got {latitude_deg.shape} and {longitude_deg.shape}"
        )
    if (invalid := first_invalid(latitude_deg, longitude_deg)) is not None:
        raise InputError(f"row {invalid[0]}: {invalid[1]}")
    phi, lam = np.radians(latitude_deg), np.radians(longitude_deg)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def to_latitude_longitude(points) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    r"""The inverse of ``from_latitude_longitude``: $\phi = \mathrm{atan2}(x_2, |(x_0, x_1)|)$, $\lambda = \mathrm{atan2}(x_1, x_0)$.

    Accurate at the poles and the equator alike (an arcsin loses half of the digits near a pole). The norm of a point does not matter.

    Args:
        points: shape (n, 3), no zero rows.

    Returns:
        Latitudes in [-90, 90] and longitudes in [-180, 180] in degrees, both of shape (n,). A pole has longitude 0 or +-180.

    Raises:
        InputError: a wrong shape, NaN, infinity, a zero row.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points must have shape (n, 3) to have a latitude and a longitude, got {points.shape}")
    valid = np.isfinite(points).all(axis=1) & (points != 0).any(axis=1)
    if not valid.all():
        row = int(np.argmin(valid))
        raise InputError(f"points[{row}] = {points[row]} has no direction; remove or mend it")
    x0, x1, x2 = points.T
    return np.degrees(np.arctan2(x2, np.hypot(x0, x1))), np.degrees(np.arctan2(x1, x0))
