"""A flow in several processes, on one machine or on many: how they find each other, and how they agree."""

import pickle
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..errors import InputError
from .rollcall import call_roll

_MESSAGE = 2048  # bytes


def join(coordinator: str, process_id: int, num_processes: int, *, timeout: float = 60.0) -> None:
    """Connect this process with the others of a run, before anything else is asked of JAX. Then ``token_mesh()`` has the devices of all.

    Args:
        coordinator: "host:port" at which process 0 can be reached; a free port.
        process_id: 0, ..., ``num_processes`` - 1, each once.
        num_processes: P, the same in all.
        timeout: seconds to wait for the others.

    Raises:
        InputError: the others are not there in time, or they are of another run; an address without port.
    """
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"coordinator = {coordinator!r} is not HOST:PORT, with a port from 1 to 65535")
    if not 0 <= process_id < num_processes:
        raise InputError(f"process_id = {process_id} is not one of 0, ..., num_processes - 1 with num_processes = {num_processes}")
    call_roll(host.strip("[]"), int(port), process_id, num_processes, timeout)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, num_processes, process_id, initialization_timeout=max(1, round(timeout)))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def is_one_of_several() -> bool:
    """Whether ``join`` has connected this process with others."""
    return jax.process_count() > 1


def together(work: Callable[[], Any]) -> Any:
    """``work()`` in this process, once it is known that it went well in all of them.

    Raises:
        InputError: it did not in one of them, whose message all the others get.
    """
    if jax.process_count() == 1:
        return work()
    result, message = None, ""
    try:
        result = work()
    except InputError as error:
        message = str(error)
    said = _exchanged(message)
    if message or any(said):
        raise InputError(message or next(f"process {i}: {text}" for i, text in enumerate(said) if text))
    return result


def agree(value: str, what: str) -> None:
    """Whether all processes have the same value.

    Raises:
        InputError: they don't.
    """
    if jax.process_count() > 1 and len(set(_exchanged(value))) > 1:
        raise InputError(f"the processes have different {what}; start all with the same")


def from_first(work: Callable[[], Any]) -> Any:
    """What ``work()`` gives in process 0, in every process; the others do not call it.

    Raises:
        InputError: it did in process 0.
    """
    if jax.process_count() == 1:
        return work()
    from jax.experimental.multihost_utils import broadcast_one_to_all

    result = together(lambda: work() if is_first() else None)
    content = np.frombuffer(pickle.dumps(result), np.uint8)
    size = int(broadcast_one_to_all(np.int32(content.size)))
    return pickle.loads(np.asarray(broadcast_one_to_all(np.resize(content, size))).tobytes())


def _exchanged(text: str) -> list[str]:
    """The texts of all processes."""
    from jax.experimental.multihost_utils import process_allgather

    content = text.encode()[:_MESSAGE].ljust(_MESSAGE, b"\0")
    rows = np.asarray(process_allgather(np.frombuffer(content, np.uint8)))
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in rows]
