"""Configurations (TOML) of simulations, checked key by key: an error names the file, the path of the key, the value and the remedy."""

import dataclasses
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..experiments import KINDS, Simulation, initial_measure
from ..experiments.simulate import CLUSTER_ANGLE
from ..fields import LAWS, Causal, MultiHead, Neurons, ParticleField, Scaled
from ..fields.laws import nearest
from ..fields.layers import SCHEMES, MixLN
from ..flows import Converged, Jump, Noise
from ..geometry import Euclidean, Rescaled, Sphere
from ..measures import Empirical, read_clouds

Model = TypeVar("Model", bound=BaseModel)
MOST_SAVES = 10**7
_MATRICES = ("Q", "K", "V", "W", "U", "b")


class Table(BaseModel):
    """A table of a configuration: no unknown keys, no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class MeasureTable(Table):
    """[measure]: ``file``, or ``kind`` with its numbers."""

    file: str | None = None
    normalize: bool = False
    kind: Literal["uniform", "cap", "orthonormal", "polygon", "normal", "cube"] = "uniform"
    n: int = Field(default=64, ge=1)
    d: int = Field(default=3, ge=1)
    seed: int = Field(default=0, ge=0)
    scale: float = Field(default=1.0, gt=0)


class ProbesTable(MeasureTable):
    """[probes]: points of weight 0 that follow every measure; keys as in [measure]. By default as many dimensions as there."""

    d: int | None = Field(default=None, ge=1)  # type: ignore[assignment]
    seed: int = Field(default=1, ge=0)


class FieldTable(Table):
    """[field]: the law with its parameters (any key that the law has), the geometry and what is added."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    law: str = "softmax"
    geometry: Literal["sphere", "euclidean", "rescaled"] = "sphere"
    mask: Literal["none", "causal"] = "none"
    scale: float = 1.0
    heads: list[dict[str, Any]] | None = None
    outputs: list[Any] | None = None
    perceptron: dict[str, Any] | None = None


class FlowTable(Table):
    """[flow]: how long, how precisely, with which noise; or the layers of a network, ``step`` long."""

    horizon: float = Field(gt=0)
    saves: int = Field(default=50, ge=1, le=MOST_SAVES)
    save_every: float | None = Field(default=None, gt=0)
    rtol: float | None = Field(default=None, gt=0)
    atol: float | None = Field(default=None, gt=0)
    step: float | None = Field(default=None, gt=0)
    max_steps: int = Field(default=100_000, ge=1)
    kernel: Literal["auto", "dense", "harmonic"] = "auto"
    kappa: float | None = Field(default=None, gt=0)
    heun: bool = False
    converged: float | None = Field(default=None, gt=0)
    merges: bool = False
    audit: bool = False
    layers: Literal["post", "pre", "mix", "peri", "ngpt", "sqrt"] | None = None
    switch: float = Field(default=1.0, ge=0)
    largest_step: float = Field(default=1.0, gt=0)

    def saved(self, origin: str) -> int | np.ndarray:
        """The number of equal intervals between saved states; with ``save_every`` the times 0, dt, 2 dt, ... and the horizon.

        Raises:
            InputError: both keys are given, or there would be too many states.
        """
        if self.save_every is None:
            return self.saves
        if "saves" in self.model_fields_set:
            raise InputError(
                f"{origin}: flow.save_every = {self.save_every:g} and flow.saves = {self.saves} exclude each other; give one of them"
            )
        count = self.horizon / self.save_every
        if count > MOST_SAVES:
            raise InputError(f"{origin}: flow.save_every = {self.save_every:g} saves {count:.3g} states; {MOST_SAVES} are the most")
        times = self.save_every * np.arange(int(count * (1 + 1e-12)) + 1)
        return np.append(times[times < self.horizon * (1 - 1e-12)], self.horizon)


class OutputTable(Table):
    """[output]: what is written beside the summary and the final tokens. animation = "html" is the one in report.html."""

    trajectory: Literal["npz", "parquet", "zarr", "none"] = "npz"
    dtype: Literal["float64", "float32"] = "float64"
    figures: bool = True
    report: bool = True
    animation: bool | Literal["html", "gif", "mp4", "none"] = "html"
    angle: float = Field(default=CLUSTER_ANGLE, gt=0, le=np.pi)


class Config(Table):
    """A whole configuration."""

    measure: MeasureTable = Field(default_factory=lambda: MeasureTable())
    field: FieldTable = Field(default_factory=lambda: FieldTable())
    flow: FlowTable
    output: OutputTable = Field(default_factory=lambda: OutputTable())
    probes: ProbesTable | None = None


def read_config(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: there is no such file, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path}: the file cannot be read ({why}); give a configuration in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from None


def simulation_of(tables: dict[str, Any], origin: str, *, seed: int | None = None) -> tuple[Config, Simulation]:
    """The simulation that a configuration describes.

    Args:
        tables: as ``read_config`` returns them.
        origin: the path of the file, for messages; files that it names are looked up beside it.
        seed: in place of ``measure.seed``; of the noise too.

    Raises:
        InputError: about one key, by its path.
    """
    config = validated(Config, tables, origin)
    if seed is not None:
        config.measure.seed = seed
    folder = Path(origin).parent
    measures = _measures(config.measure, "measure", config.field.geometry, origin, folder)
    probes = _probes(config, next(iter(measures.values())).dimension, origin, folder)
    field = _field(config.field, origin, folder)
    return config, Simulation(
        measures, field, config.flow.horizon, config.flow.saved(origin), _options(config, origin), config.output.angle, config.flow.audit,
        probes, _scheme(config, origin), config.flow.largest_step,
    )  # fmt: skip


def validated(model: type[Model], tables: dict[str, Any], origin: str) -> Model:
    """The tables as a model, whose fields are tables themselves.

    Raises:
        InputError: about one key, by its path.
    """
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            message = f"there is no key {key}; {nearest(str(first['loc'][-1]), _keys(model, first['loc'][:-1]))}"
        elif first["type"] == "missing":
            message = f"{key} is missing; every configuration of this command needs it"
        elif first["type"] in ("model_type", "dict_type", "model_attributes_type"):
            message = f"{key} = {first['input']!r} must be a table, as in [{key}]"
        else:
            message = f"{key} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{origin}: {message}{more}") from None


def _keys(model: Any, path: tuple[int | str, ...]) -> list[str]:
    """The keys of a table, or of the model itself; a table that may be missing is a union with None."""
    table = model.model_fields[str(path[0])].annotation if path else model
    return list(next(part for part in (table, *get_args(table)) if hasattr(part, "model_fields")).model_fields)


def _measures(table: MeasureTable, path: str, geometry: str, origin: str, folder: Path) -> dict[int | str, Empirical]:
    if table.file is not None:
        sphere = geometry == "sphere"
        return read_clouds(folder / table.file, normalize=table.normalize and sphere, sphere=sphere).measures()
    try:
        mu = initial_measure(table.kind, table.n, table.d, seed=table.seed, scale=table.scale)
    except InputError as error:
        raise InputError(f"{origin}: {path}: {error}") from None
    if geometry == "sphere" and table.kind in ("normal", "cube"):
        spherical = ", ".join(kind for kind in KINDS if kind not in ("normal", "cube"))
        raise InputError(f"{origin}: {path}.kind = {table.kind!r} is not on the sphere; take {spherical}, or geometry = 'euclidean'")
    return {0: mu}


def _probes(config: Config, d: int, origin: str, folder: Path) -> np.ndarray | None:
    """All points of the table, (p, d)."""
    if config.probes is None:
        return None
    table = config.probes if config.probes.d is not None else config.probes.model_copy(update={"d": d})
    points = [np.asarray(mu.points) for mu in _measures(table, "probes", config.field.geometry, origin, folder).values()]
    if points[0].shape[1] != d:
        raise InputError(f"{origin}: probes have dimension {points[0].shape[1]}, the measures {d}; give both the same (probes.d)")
    return np.concatenate(points)


def _field(table: FieldTable, origin: str, folder: Path) -> ParticleField:
    law = law_of(table.law, dict(table.model_extra or {}), "field", origin, folder, heads=table.heads, outputs=table.outputs)
    if table.scale != 1.0:
        law = Scaled(law, table.scale)
    if table.perceptron is not None:
        parameters = {k: matrix_of(v, f"field.perceptron.{k}", origin, folder) for k, v in table.perceptron.items() if k in ("W", "U", "b")}
        unknown = sorted(set(table.perceptron) - {"W", "U", "b"})
        if unknown or "W" not in parameters:
            raise InputError(f"{origin}: field.perceptron takes W (needed), U and b; got {', '.join(table.perceptron) or 'nothing'}")
        law = MultiHead((law, Neurons(**parameters)))
    mask = Causal() if table.mask == "causal" else None
    if table.geometry == "rescaled":
        V = (table.model_extra or {}).get("V")
        if V is None:
            raise InputError(f"{origin}: field.geometry = 'rescaled' needs field.V, the matrix in exp(-tV) x")
        return ParticleField(law, Rescaled(table.scale * matrix_of(V, "field.V", origin, folder)), mask)
    return ParticleField(law, Sphere() if table.geometry == "sphere" else Euclidean(), mask)


def law_of(name: str, keys: dict[str, Any], path: str, origin: str, folder: Path, *, heads: Any = None, outputs: Any = None) -> Any:
    """A law by its name and parameters.

    Raises:
        InputError: about one key, by its path.
    """
    if name not in LAWS:
        raise InputError(f"{origin}: {path}.law = {name!r}: there is no such law; {nearest(name, LAWS)}")
    if name == MultiHead.about.name:
        if not heads:
            raise InputError(f"{origin}: {path}.heads is missing; a multi-head law is a list of heads, each with its law")
        if keys:
            raise InputError(f"{origin}: {path}.{next(iter(keys))}: parameters of a multi-head law belong to its heads")
        parts = []
        for k, head in enumerate(heads):
            own = dict(head)
            parts.append(law_of(str(own.pop("law", "softmax")), own, f"{path}.heads.{k}", origin, folder))
        matrices = None if outputs is None else tuple(matrix_of(W, f"{path}.outputs.{k}", origin, folder) for k, W in enumerate(outputs))
        try:
            return MultiHead(tuple(parts), matrices)
        except InputError as error:
            raise InputError(f"{origin}: {path}.{error}") from None
    if heads is not None or outputs is not None:
        raise InputError(f"{origin}: {path}.heads and outputs belong to law = 'multi-head', not to {name!r}")
    known = {f.name: f.default for f in dataclasses.fields(LAWS[name])}
    values = {}
    for key, value in keys.items():
        if key not in known:
            every = [*known, *(k for k in FieldTable.model_fields if path == "field")]
            raise InputError(f"{origin}: {path}.{key}: the law {name!r} has no such parameter; {nearest(key, every)}")
        values[key] = _parameter(key, value, known[key], f"{path}.{key}", origin, folder)
    return LAWS[name](**values)


def _parameter(key: str, value: Any, default: Any, path: str, origin: str, folder: Path) -> Any:
    """A value of the kind that the law has by default."""
    if key in _MATRICES:
        return matrix_of(value, path, origin, folder)
    if isinstance(default, Enum):
        names = [member.value for member in type(default)]
        if value not in names:
            raise InputError(f"{origin}: {path} = {value!r}: {nearest(str(value), names)}")
        return type(default)(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{origin}: {path} = {value!r} must be true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"{origin}: {path} = {value!r} must be a finite number")
    return int(value) if isinstance(default, int) else float(value)


def matrix_of(value: Any, path: str, origin: str, folder: Path) -> np.ndarray:
    """Nested lists, or the path of an .npy file."""
    try:
        array = np.load(folder / value, allow_pickle=False) if isinstance(value, str) else np.array(value, np.float64)
        array = np.asarray(array, np.float64)
    except OSError as error:
        raise InputError(f"{origin}: {path} = {value!r}: the file cannot be read ({error.strerror or error}); give an .npy file") from None
    except (ValueError, TypeError):
        raise InputError(f"{origin}: {path} must be a list of rows of equal length, or the path of an .npy file, got {value!r}") from None
    if array.ndim != (1 if path.endswith(".b") else 2) or not np.isfinite(array).all():
        raise InputError(f"{origin}: {path} must be a finite matrix (rows in a list), got an array of shape {array.shape}")
    return array


def _scheme(config: Config, origin: str) -> Any:
    """The layers that are asked for, None for a flow."""
    table = config.flow
    if table.layers is None:
        return None
    if table.step is None:
        raise InputError(f"{origin}: flow.layers = {table.layers!r} needs flow.step, the length eta of a layer in time")
    if config.field.geometry != "sphere":
        raise InputError(f"{origin}: flow.layers normalise as they do: leave field.geometry at 'sphere', got {config.field.geometry!r}")
    idle = [key for key in ("rtol", "atol", "kappa", "heun", "converged", "merges", "audit") if getattr(table, key) not in (None, False)]
    if idle or config.probes is not None:
        raise InputError(f"{origin}: {f'flow.{idle[0]}' if idle else 'probes'} belongs to a flow; leave it out, or leave out flow.layers")
    return MixLN(table.step, table.switch) if table.layers == "mix" else SCHEMES[table.layers](table.step)


def _options(config: Config, origin: str) -> dict[str, Any]:
    """Keywords of ``evolve``."""
    import jax

    table = config.flow
    names = ("rtol", "atol", "step", "max_steps", "kernel")
    options: dict[str, Any] = {name: getattr(table, name) for name in names}
    if table.kappa is not None:
        if table.step is None:
            raise InputError(f"{origin}: flow.kappa (noise) needs flow.step, a fixed step much shorter than the time scales of the law")
        options["noise"] = Noise(table.kappa, jax.random.key(config.measure.seed), table.heun)
    events: list[Any] = []
    if table.converged is not None:
        events.append(Converged(table.converged))
    if table.merges:
        angle = config.output.angle
        events.append(Jump("clusters", lambda x, w: _count(x, w, angle)))
    return {**options, "events": events}


def _count(x: np.ndarray, w: np.ndarray, angle: float) -> int:
    from ..diagnostics import clusters

    return clusters(x, angle, w).count
