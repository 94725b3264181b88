"""Where the tokens of a flow are: on one device, or spread over many, of this process or of several."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..errors import InputError
from ..kernels import TOKENS


def token_mesh(devices: int | None = None) -> Mesh:
    """The devices of all processes as a mesh for ``flow(..., mesh=...)``.

    A processor counts as one device unless JAX is told before its first computation:
    ``jax.config.update("jax_num_cpu_devices", 4)``, or XLA_FLAGS=--xla_force_host_platform_device_count=4.

    Args:
        devices: so many of each process; all of them if None.

    Raises:
        InputError: a process has not so many.
    """
    by_process: dict[int, list[Any]] = {}
    for device in jax.devices():
        by_process.setdefault(device.process_index, []).append(device)
    fewest = min(map(len, by_process.values()))
    if devices is not None and not 1 <= devices <= fewest:
        raise InputError(
            f"devices = {devices}, and there are {fewest} ({jax.devices()[0].platform}); take from 1 to {fewest}, or for more parts of a "
            "processor set jax_num_cpu_devices before JAX starts"
        )
    return Mesh(np.array([device for _, own in sorted(by_process.items()) for device in own[:devices]]), (TOKENS,))


def flattened(mesh: Mesh) -> Mesh:
    """The devices of any mesh in a row: all of its axes are for tokens."""
    return Mesh(mesh.devices.ravel(), (TOKENS,))


def spread(array: np.ndarray, mesh: Mesh) -> jax.Array:
    """(N, n, ...) with its tokens over the devices; P divides n. Each process has the whole array and places its part."""
    return _placed(array, NamedSharding(mesh, PartitionSpec(None, TOKENS)))


def repeated(array: np.ndarray, mesh: Mesh) -> jax.Array:
    """The same on every device."""
    return _placed(array, NamedSharding(mesh, PartitionSpec()))


def whole(array: Any) -> np.ndarray:
    """All of an array, in this process, wherever its parts are."""
    if isinstance(array, jax.Array) and not (array.is_fully_addressable or array.is_fully_replicated):
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(array, tiled=True))
    return np.asarray(array)


def _placed(array: np.ndarray, layout: NamedSharding) -> jax.Array:
    return jax.make_array_from_callback(array.shape, layout, lambda part: array[part])
