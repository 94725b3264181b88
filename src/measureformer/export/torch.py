"""The network for PyTorch: a state dict, and beside it one module that needs PyTorch only. PyTorch is not needed to write them."""

import io
import json
import pickle
import re
import sys
import zipfile
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..errors import InputError
from .bundle import label
from .network import Network, tensors_of

DTYPES = {"float64": ("DoubleStorage", np.dtype("<f8")), "float32": ("FloatStorage", np.dtype("<f4"))}
ENDINGS = (".safetensors", ".pt", ".pth")


def save_torch(path: str | Path, network: Network, *, dtype: str = "float64") -> Path:
    """Write the parameters as a state dict ``layer.{k}.V`` (.B, .W, .U, .b; absent = zero), and a module that runs them.

    The module stands beside the file and has its name, made fit for ``import``, with the ending .py. It defines ``Network``, an ordinary
    post-norm encoder for clouds with weights or without, one at a time or in batches, and ``load(path)``.

    Args:
        path: ends in .safetensors, or in .pt or .pth (read by ``torch.load(path, weights_only=True)``); its folder exists.
        network: any.
        dtype: "float64" or "float32".

    Returns:
        The path of the module.

    Raises:
        InputError: another ending, another dtype, or a file that is not such a module stands where the module would be written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"--output {path}: the weights of a PyTorch network go to a file that ends in {', '.join(ENDINGS)}")
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    code = Path(__file__).with_name("encoder.py.txt").read_bytes()
    module = path.with_name(_importable(path.stem) + ".py")
    if module.exists() and module.read_bytes()[:80] != code[:80]:
        raise InputError(f"{module} exists, and the module for PyTorch would replace it; give --output another name")
    tensors = {name: np.ascontiguousarray(M, DTYPES[dtype][1]) for name, M in tensors_of(network).items()}
    if path.suffix == ".safetensors":
        from safetensors.numpy import save

        content = save(tensors, {"network": json.dumps(label(network))})
    else:
        content = _as_torch_saves(tensors, dtype)
    write_whole(module, code)
    write_whole(path, content)
    return module


def _importable(stem: str) -> str:
    """net-1 -> net_1; a name that would hide another module gets a second word."""
    name = re.sub(r"\W", "_", stem)
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_network" if name == "torch" or name in sys.stdlib_module_names else name


def _as_torch_saves(tensors: dict[str, np.ndarray], dtype: str) -> bytes:
    """An archive as of ``torch.save`` (version 3): a pickled dict of views into one storage, and the numbers of that storage.

    The pickle names functions of PyTorch, which Python's ``pickle`` writes only where PyTorch is installed: its few opcodes are put
    together here.
    """
    storage, element = DTYPES[dtype]
    numbers = b"".join(M.tobytes() for M in tensors.values())

    def name(module: str, attribute: str) -> bytes:
        return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()

    def plain(value) -> bytes:  # strings, and tuples of whole numbers: without the protocol's first and last opcode
        return pickle.dumps(value, 2)[2:-1]

    ordered = name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    whole = pickle.MARK + plain("storage") + name("torch", storage) + plain("0") + plain("cpu") + plain(len(numbers) // element.itemsize)
    items, offset = b"", 0
    for key, M in tensors.items():
        strides = tuple(s // element.itemsize for s in M.strides)
        view = whole + pickle.TUPLE + pickle.BINPERSID + plain(offset) + plain(M.shape) + plain(strides) + pickle.NEWFALSE + ordered
        items += plain(key) + name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + view + pickle.TUPLE + pickle.REDUCE
        offset += M.size
    state = pickle.PROTO + b"\x02" + ordered + pickle.MARK + items + pickle.SETITEMS + pickle.STOP

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for entry, content in (("data.pkl", state), ("byteorder", b"little"), ("data/0", numbers), ("version", b"3\n")):
            file.writestr(zipfile.ZipInfo(f"archive/{entry}"), content)
    return archive.getvalue()
