"""What devices send to each other for one evaluation of a field, read from the compiled program."""

import re
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from .sharded import Sharded, tokens_first

_COLLECTIVE = re.compile(r"= (.+?) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")
_ARRAY = re.compile(r"(pred|bf16|[suf]\d+)\[([\d,]*)\]")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_LOOP = re.compile(r" while\(.*body=%?([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_BRANCHES = re.compile(r"(?:branch_computations=\{(.*?)\}|(?:true|false)_computation=%?([\w.\-]+))")
_CALL = re.compile(r"(?: call\(.*to_apply|calls)=%?([\w.\-]+)")


@dataclass(frozen=True)
class Traffic:
    """Bytes that one device gives to collective operations of each kind ("all-reduce", "collective-permute", ...), and how many there are.

    Attributes:
        always: kind: (operations, bytes) of every evaluation.
        at_times: the same inside branches that may not be taken (tokens far from all mass). A loop of unknown length counts once there.
    """

    always: dict[str, tuple[int, int]]
    at_times: dict[str, tuple[int, int]]


def traffic(field: Any, mesh: Mesh, n: int, d: int, *, dtype: Any = np.float64) -> Traffic:
    """Of the velocities of n tokens (a multiple of the number of devices) in dimension d.

    Example:
        traffic(with_kernel(ParticleField(Softmax(1.0)), "harmonic", n, 3).field, token_mesh(), n, 3)
    """
    shapes = [jax.ShapeDtypeStruct(shape, dtype) for shape in ((n, d), (n,))]
    x, w = (
        jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=NamedSharding(mesh, tokens_first(s, axis)))
        for s, axis in zip(shapes, (-2, -1), strict=True)
    )
    program = jax.jit(lambda x, w: Sharded(field, mesh)(x, x, w)).lower(x, w).compile().as_text()
    return read(program or "")


def read(program: str) -> Traffic:
    """The traffic of a program in the text form of XLA."""
    parts: dict[str, list[str]] = {}
    start, lines = "", []
    for line in program.splitlines():
        if head := _HEAD.match(line):
            lines = parts.setdefault(head[2], [])
            start = head[2] if head[1] else start
        lines.append(line)
    found: tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]] = {}, {}

    def walk(name: str, times: int, rarely: bool) -> None:
        for line in parts.get(name, []):
            if operation := _COLLECTIVE.search(line):
                kind, size = operation[2], sum(map(_bytes, _ARRAY.findall(operation[1])))
                count, volume = found[rarely].get(kind, (0, 0))
                found[rarely][kind] = count + times, volume + times * size
            if loop := _LOOP.search(line):
                trips = _TRIPS.search(line)
                walk(loop[1], times * int(trips[1]) if trips else times, rarely or not trips)
            for branches in _BRANCHES.findall(line):
                for branch in (branches[0] or branches[1]).split(", "):
                    walk(branch.removeprefix("%"), times, True)
            if call := _CALL.search(line):
                walk(call[1], times, rarely)

    walk(start, 1, False)
    return Traffic(*found)


def _bytes(array: tuple[str, str]) -> int:
    kind, shape = array
    width = 8 if kind == "pred" else int(re.sub(r"\D", "", kind))
    return width * prod(int(k) for k in shape.split(",") if k) // 8
