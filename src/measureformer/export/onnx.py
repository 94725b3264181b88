"""The network as an ONNX graph, built node by node: the file holds what the formulas say, and nothing else."""

import json
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..errors import InputError
from .bundle import label
from .network import AttentionLayer, Layer, Network, ResidualBlock

OPSET, IR_VERSION = 18, 8  # as of 2022, so that runtimes of the last years read it; ONNX Runtime has all operators used here for float64
DTYPES = {"float64": np.dtype(np.float64), "float32": np.dtype(np.float32)}


def save_onnx(path: str | Path, network: Network, *, dtype: str = "float64") -> None:
    r"""Write the network for any ONNX runtime.

    Inputs ``points`` (n, d) and ``weights`` (n,), sum 1, with n left open; output ``moved`` (n, d), the tokens after the last layer.
    Attention is the softmax of $\langle B x_i, x_j \rangle + \log w_j$: tokens of weight zero move and influence no other. The metadata
    hold ``format``, ``layers`` and ``phases`` (see ``label``), as JSON.

    Args:
        path: of the file; its folder exists.
        network: any.
        dtype: "float64" or "float32": of parameters, inputs and output.

    Raises:
        InputError: the package onnx is not installed, or the dtype is none of the two.
    """
    try:
        from onnx import checker, helper
    except ImportError:
        raise InputError("--format onnx needs the package onnx; install it: pip install 'measureformer[export]'") from None
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    graph = _Graph(DTYPES[dtype])
    graph.node("Log", ["weights"], "log_weights")
    x = "points"
    for k, layer in enumerate(network.layers):
        x = graph.layer(f"layer.{k}", x, layer)
    graph.node("Identity", [x], "moved")
    d = next((M.shape[0] for layer in network.layers for M in layer.parameters().values()), "d")  # V, or W: the first one has d rows
    element = helper.np_dtype_to_tensor_dtype(DTYPES[dtype])
    shapes = {"points": ["n", d], "weights": ["n"], "moved": ["n", d]}
    points, weights, moved = (helper.make_tensor_value_info(name, element, shape) for name, shape in shapes.items())
    model = helper.make_model(
        helper.make_graph(graph.nodes, "measureformer", [points, weights], [moved], graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="measureformer",
    )
    helper.set_model_props(model, {name: json.dumps(value, ensure_ascii=False) for name, value in label(network).items()})
    checker.check_model(model)
    write_whole(path, model.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and initialisers; parameters that are equal are stored once. Each method returns the name of what its last node yields."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype
        self.nodes: list = []
        self.initializers: list = []
        self._names: dict[tuple, str] = {}

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def parameter(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        value = np.ascontiguousarray(value, self.dtype)
        key = value.shape, value.tobytes()
        if key not in self._names:
            self._names[key] = name
            self.initializers.append(numpy_helper.from_array(value, name))
        return self._names[key]

    def layer(self, name: str, x: str, layer: Layer) -> str:
        """normalize(x + update): residual connection, then the norm."""
        moved = self.attention(name, x, layer) if isinstance(layer, AttentionLayer) else self.residual(name, x, layer)
        return self.node("LpNormalization", [moved], name, axis=-1, p=2)

    def attention(self, name: str, x: str, layer: AttentionLayer) -> str:
        """x + A_B[mu](x) V^T; without B it is the mean, the same row for all."""
        V = self.parameter(f"{name}.V", layer.V)
        if layer.B is None:
            mean = self.node("MatMul", ["weights", x], f"{name}.mean")
            return self.node("Add", [x, self.node("MatMul", [V, mean], f"{name}.update")], f"{name}.sum")
        query = self.node("Gemm", [x, self.parameter(f"{name}.B", layer.B)], f"{name}.query", transB=1)
        scores = self.node("Gemm", [query, x, "log_weights"], f"{name}.scores", transB=1)
        share = self.node("Softmax", [scores], f"{name}.share", axis=-1)
        seen = self.node("MatMul", [share, x], f"{name}.seen")
        return self.node("Gemm", [seen, V, x], f"{name}.sum", transB=1)

    def residual(self, name: str, x: str, layer: ResidualBlock) -> str:
        """x + (x U^T + b)_+ W^T."""
        d, h = layer.W.shape
        inner = [x, self.parameter(f"{name}.U", np.zeros((h, d)) if layer.U is None else layer.U)]
        if layer.b is not None:
            inner.append(self.parameter(f"{name}.b", layer.b))
        active = self.node("Relu", [self.node("Gemm", inner, f"{name}.inner", transB=1)], f"{name}.active")
        return self.node("Gemm", [active, self.parameter(f"{name}.W", layer.W), x], f"{name}.sum", transB=1)
