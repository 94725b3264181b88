"""The options of the command line that spread tokens over devices and processes."""

import os
import sys
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

_FLAG = "xla_force_host_platform_device_count"


@dataclass(frozen=True)
class Devices:
    """As given: how many devices of each process, and which process this is of how many."""

    count: int | None = None
    coordinator: str | None = None
    process_id: int | None = None
    num_processes: int | None = None
    wait: float = 60.0

    def mesh(self) -> Any:
        """The mesh of them, with all processes joined; None for one device of one process.

        Raises:
            InputError: options that belong together and are not all given; more devices than there are; and as ``join``.
        """
        several = self.coordinator, self.process_id, self.num_processes
        if self.count is None and several == (None,) * 3:
            return None
        import jax

        from ..flows.devices import token_mesh
        from ..flows.processes import join

        if self.count is not None and _FLAG not in os.environ.get("XLA_FLAGS", ""):
            try:
                jax.config.update("jax_num_cpu_devices", self.count)
            except RuntimeError:
                pass  # JAX has started: there are as many as there are
        if several != (None,) * 3:
            if self.coordinator is None or self.process_id is None or self.num_processes is None:
                raise InputError("--coordinator, --process-id and --num-processes belong together: give all three, in every process")
            join(self.coordinator, self.process_id, self.num_processes, timeout=self.wait)
            _keep_stdout_for_results()
        return token_mesh(self.count)


ONE_DEVICE = Devices()


def _keep_stdout_for_results() -> None:
    """What libraries write to file 1 goes to stderr: the one that connects the processes greets each of them there."""
    sys.stdout.flush()
    results = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(results, "w", encoding="utf-8", buffering=1)
