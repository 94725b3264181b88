"""Whether all the processes of a run are there and mean the same run, before JAX connects them: JAX would wait, and then abort."""

import errno
import json
import socket
import time
from contextlib import ExitStack, closing

from ..errors import InputError

_PAUSE = 0.1  # between two attempts to reach the coordinator
_GRACE = 5.0  # process 0 answers when its own time is over, which may be later than ours


def call_roll(host: str, port: int, process_id: int, num_processes: int, timeout: float) -> None:
    """Process 0 listens at the address until the others have said who they are; each of them learns whether all is well.

    Raises:
        InputError: in every process that is there, when the time is over, the port is taken, two have the same number, or they disagree
            about how many they are.
    """
    if process_id == 0:
        _listen(host, port, num_processes, timeout)
    else:
        _report(host, port, process_id, num_processes, timeout)


def _listen(host: str, port: int, num_processes: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    with ExitStack() as stack:
        server = stack.enter_context(_server(host, port))
        present: dict[int, socket.socket] = {}
        problem = None
        while problem is None and len(present) < num_processes - 1:
            server.settimeout(max(deadline - time.monotonic(), 1e-3))
            try:
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(max(deadline - time.monotonic(), 1e-3))
                said = json.loads(connection.makefile().readline())
                number, count = int(said["process"]), int(said["of"])
            except TimeoutError:
                missing = sorted({*range(1, num_processes)} - present.keys())
                problem = f"process {', '.join(map(str, missing))} of {num_processes} did not report at {host}:{port} in {timeout:g} s"
                problem += "; start them with the same --coordinator, or give --wait more seconds"
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not one of ours
            else:
                if count != num_processes:
                    problem = f"process {number} says num_processes = {count}, process 0 says {num_processes}; give all the same"
                elif number in present:
                    problem = f"two processes say process_id = {number}; number them from 0 to {num_processes - 1}"
                present.setdefault(-1 - number if problem else number, connection)
        for connection in present.values():
            try:
                connection.sendall((json.dumps({"problem": problem}) + "\n").encode())
                connection.recv(1)  # the other side closes first, so that the port is free at once
            except OSError:
                pass
    if problem:
        raise InputError(problem)


def _server(host: str, port: int) -> socket.socket:
    """At the host's own address, or at every address where that is the one of a router."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} of {host} is in use; choose another one for --coordinator, in all processes") from None
        if error.errno == errno.EACCES:
            raise InputError(f"port {port} needs privileges; choose one above 1023 for --coordinator") from None
    try:
        return socket.create_server(("", port))
    except OSError as error:
        raise InputError(f"cannot listen at port {port}: {error.strerror}; choose another one for --coordinator") from None


def _report(host: str, port: int, process_id: int, num_processes: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=max(deadline - time.monotonic(), 1e-3))
            break
        except OSError as error:
            if time.monotonic() + _PAUSE > deadline:
                raise InputError(
                    f"process 0 cannot be reached at {host}:{port} after {timeout:g} s ({error}); start it, check address and port, or "
                    "give --wait more seconds"
                ) from None
            time.sleep(_PAUSE)
    with closing(connection):
        connection.settimeout(timeout + _GRACE)
        try:
            connection.sendall((json.dumps({"process": process_id, "of": num_processes}) + "\n").encode())
            problem = json.loads(connection.makefile().readline())["problem"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"what listens at {host}:{port} is not process 0 of a run, or it went away; check the address") from None
    if problem:
        raise InputError(problem)
