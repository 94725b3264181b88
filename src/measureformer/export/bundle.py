"""One file for everything: the schedule and the network together."""

import json
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from .._files import write_tensors
from ..schedule import Schedule, save_schedule
from .network import FORMAT, Network, tensors_of


def label(network: Network) -> dict:
    """What an exported file says of its network: format version, number of layers, and the phases, as [name, consecutive layers]."""
    phases = [[phase, len(list(run))] for phase, run in groupby(layer.phase for layer in network.layers)]
    return {"format": FORMAT, "layers": len(network.layers), "phases": phases}


def save_bundle(path: str | Path, schedule: Schedule, network: Network) -> None:
    """Write one safetensors file, in float64, that ``load_schedule`` reads and that holds the network too.

    The schedule is stored as ``save_schedule`` does it; beside it stand the tensors ``layer.{k}.*`` of the network (``tensors_of``), and
    ``network`` in the metadata (``label``, as JSON).

    Args:
        path: of the file; its folder exists.
        schedule, network: of one run.

    Example:
        >>> from measureformer import Schedule, load_schedule
        >>> with TemporaryDirectory() as folder:
        ...     save_bundle(f"{folder}/both.safetensors", Schedule([]), Network(()))
        ...     len(load_schedule(f"{folder}/both.safetensors"))
        0
    """
    from safetensors import safe_open

    with TemporaryDirectory() as folder:
        save_schedule(alone := Path(folder) / "schedule.safetensors", schedule)
        with safe_open(str(alone), framework="numpy") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    write_tensors(path, tensors | tensors_of(network), metadata | {"network": json.dumps(label(network))})
