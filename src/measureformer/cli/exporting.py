"""What ``measureformer export`` does."""

from pathlib import Path

from rich.console import Console

from ..errors import InputError
from ..export import load_network, save_bundle, save_onnx, save_torch
from ..interpolation import certificate as certificates
from ..interpolation.execution import DATA_FILES, NETWORK_FILES, SCHEDULE_FILE
from ..schedule import load_schedule
from .console import number


def run_export(run: Path, output: Path, *, format: str, dtype: str, as_json: bool) -> dict:
    """``measureformer export``: what was written, what is in it, and what the certificate of the run says of it."""
    schedule = load_schedule(run / SCHEDULE_FILE)
    if not (run / NETWORK_FILES[1]).exists():
        raise InputError(f"{run} holds a schedule but no network, so there is nothing to export; strategy `compact` yields a network")
    network = load_network(run)
    certificate = certificates.read(run)
    _check_output(run, output)
    written = [output]
    if format == "onnx":
        save_onnx(output, network, dtype=dtype)
    elif format == "torch":
        written.append(save_torch(output, network, dtype=dtype))
    elif dtype == "float64":
        save_bundle(output, schedule, network)
    else:
        raise InputError(f"--dtype {dtype}: the format safetensors holds the schedule too, which is kept in float64; leave --dtype out")
    result = {
        "output": str(output),
        "format": format,
        "dtype": dtype,
        "files": {str(path): path.stat().st_size for path in written},
        "dimension": schedule.dimension,
        "layers": len(network.layers),
        "attention_layers": network.attention_layers,
        "width": network.width,
        "eps": certificate["eps"],
        "certified_w2": certificate["network"]["w2_after" if dtype == "float64" else "w2_after_float32"],
    }
    if not as_json:
        _show(result)
    return result


def _show(result: dict) -> None:
    reached = ", ".join(number(value) for value in result["certified_w2"])
    lines = [f"{path}: {size:,} bytes" for path, size in result["files"].items()]
    lines.append(f"{result['layers']} layers. Certified in {result['dtype']}: W_2 = {reached} (eps = {result['eps']:g}).")
    for line in lines:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _check_output(run: Path, output: Path) -> None:
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output}: the file cannot be written there; name a file in a folder that exists")
    own = (SCHEDULE_FILE, *NETWORK_FILES, *DATA_FILES, certificates.FILE, "report.html")
    if output.resolve() in {(run / name).resolve() for name in own}:
        raise InputError(f"--output {output} is part of the run itself, which `measureformer verify` reads; give another name")
