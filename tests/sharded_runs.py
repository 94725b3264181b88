"""What the tests of flows on many devices run, each in a fresh process: ``python tests/sharded_runs.py NAME DEVICES [HOST:PORT I P]``.

Prints JSON. The number of devices has to be set before JAX starts, and one process of the tests has one device.
"""

import json
import sys

import jax

if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))

import conftest  # noqa: F401, I001  float64, and shapes checked at run time
import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from measureformer import Empirical, flow
from measureformer.fields import L2, Linear, MultiHead, Neurons, ParticleField, Scaled, Sigmoid, Softmax, TimeUnit, TransformerField
from measureformer.fields import Unnormalised
from measureformer.fields.harmonic import with_kernel
from measureformer.fields.sharded import Sharded
from measureformer.fields.traffic import traffic
from measureformer.flows import Checkpoint, Converged, Jump, Noise, join, token_mesh
from measureformer.geometry import Euclidean


def tokens(n: int, d: int, seed: int = 0) -> Empirical:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return Empirical(x / np.linalg.norm(x, axis=1, keepdims=True), rng.uniform(0.5, 1.5, size=n))


def difference(field, mesh, *, n: int = 48, d: int = 3, batch: tuple[int, ...] = ()) -> float:
    """Velocities of tokens, some of them without mass, on the mesh and on one device: the largest difference over the fastest speed."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(*batch, n, d))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    w = rng.uniform(size=(*batch, n))
    w[..., -n // 3 :] = 0  # a whole device has passive probes only
    x, w = jnp.asarray(x), jnp.asarray(w / w.sum(-1, keepdims=True))
    one = field(x, x, w)
    return float(abs(eqx.filter_jit(Sharded(field, mesh))(x, x, w) - one).max() / abs(one).max())


def laws(mesh) -> dict:
    """Every law whose tokens spread, alone and in a batch."""
    rng = np.random.default_rng(0)
    Q, V = jnp.asarray(rng.normal(size=(2, 3, 3)))
    fields = {
        "softmax": ParticleField(Softmax(2.0)),
        "softmax, far apart": ParticleField(Softmax(900.0, Q=Q, V=V)),
        "l2": ParticleField(L2(1.5, Q=Q, V=V, shift=True), Euclidean()),
        "unnormalised": ParticleField(Unnormalised(3.0, time=TimeUnit.TOKEN)),
        "linear": ParticleField(Linear(1.0, Q=Q)),
        "sigmoid": ParticleField(Sigmoid(2.0, V=V)),
        "heads": ParticleField(MultiHead((Softmax(1.0), Scaled(Sigmoid(1.0), -0.5), Neurons(V, Q)))),
        "transformer": TransformerField(V=V, B=Q, W=V),
        "mean": TransformerField(V=V),
    }
    return {name: difference(field, mesh, batch=(2,) if name == "softmax" else ()) for name, field in fields.items()}


def harmonics(mesh) -> dict:
    """The circle and S^2; and queries far from all mass, which sum over all pairs: all tokens in one place but those of one device."""
    found = {str(d): difference(with_kernel(ParticleField(Softmax(4.0)), "harmonic", 48, d).field, mesh, d=d) for d in (2, 3)}
    far = with_kernel(ParticleField(Softmax(9.0)), "harmonic", 48, 2, rtol=1e-12).field
    x = np.concatenate([np.tile([1.0, 0.0], (36, 1)), np.tile([-1.0, 1e-3], (12, 1))])
    x = jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))
    w = jnp.asarray(np.repeat([1 / 36, 0.0], [36, 12]))
    found["far"] = float(abs(eqx.filter_jit(Sharded(far, mesh))(x, x, w) - ParticleField(Softmax(9.0))(x, x, w)).max())
    found["are far"] = int((far.law.with_bounds(x, x, w)[1] > far.law.rtol).sum())
    return found


def volume(mesh) -> dict:
    """The traffic of an evaluation with harmonics at two numbers of tokens, and with all pairs."""
    found = {}
    for name, n, kernel in (("few", 4096, "harmonic"), ("many", 200_000, "harmonic"), ("pairs", 4096, "dense")):
        field = with_kernel(ParticleField(Softmax(1.0)), kernel, n, 3).field
        sent = traffic(field, mesh, n, 3)
        found[name] = {"always": sent.always, "at_times": sent.at_times}
        if kernel == "harmonic":
            found[name]["degree"] = field.law.kernel.degree
    return found


def paths(mesh) -> dict:
    """Flows whose numbers of tokens the devices do not divide."""
    mu, nu, probes = tokens(21, 3), tokens(10, 3, seed=1), tokens(3, 3, seed=2).points
    gathers = Jump("gathers", lambda x, w: int(50 * np.linalg.norm(w @ x)))
    cases = {
        "adaptive": (ParticleField(Softmax(4.0)), [mu, nu], {"saveat": 3, "probes": probes, "events": (gathers, Converged(1e-3))}),
        "steps": (ParticleField(Softmax(4.0)), mu, {"step": 0.05}),
        "noise": (ParticleField(Softmax(4.0)), mu, {"step": 0.05, "noise": Noise(10.0, jax.random.key(0))}),
        "plane": (ParticleField(Unnormalised(0.5), Euclidean()), mu, {}),
    }
    found = {}
    for name, (field, measures, how) in cases.items():
        one, many = flow(field, measures, 1.0, **how), flow(field, measures, 1.0, mesh=mesh, **how)
        ways = [*zip(one.points, many.points, strict=True), *zip(one.probes, many.probes, strict=True)]
        assert all(a.shape == b.shape for a, b in ways)
        assert [(h.kind, h.measure) for h in one.happenings] == [(h.kind, h.measure) for h in many.happenings]
        found[name] = max(float(abs(a - b).max()) for a, b in ways if a.size)
        found["happenings"] = found.get("happenings", 0) + len(many.happenings)
    return found


def resumed(mesh) -> dict:
    """A flow that one device began and many finish."""
    kept, mu, field = [], tokens(21, 3), ParticleField(Softmax(4.0))
    one = flow(field, mu, 1.0, saveat=4, keep=lambda c: kept.append(Checkpoint(list(c.moments), c.memory)))
    many = flow(field, mu, 1.0, saveat=4, mesh=mesh, resume=kept[2])
    return {
        "difference": float(abs(one.points[0] - many.points[0]).max()),
        "begun": kept[2].moments[-1].time,
        "steps": many.steps == one.steps,
    }


def path(mesh) -> dict:
    """One flow over all pairs: to be compared between one process and several."""
    result = flow(ParticleField(Softmax(4.0)), tokens(21, 3), 1.0, step=0.05, solver=diffrax.Heun(), mesh=mesh)
    return {"points": result.points[0].tolist(), "steps": result.steps, "devices": mesh.size}


def linear_time(mesh) -> dict:
    """200 000 tokens with harmonics over a whole flow, on one device and on the mesh."""
    mu, field = tokens(200_000, 3), ParticleField(Softmax(1.0))
    one, many = (flow(field, mu, 1.0, kernel="harmonic", mesh=where) for where in (None, mesh))
    return {"difference": float(abs(one.points[0] - many.points[0]).max()), "steps": [one.steps, many.steps], "kernel": many.kernel.name}


def main() -> None:
    name, *several = sys.argv[1], *sys.argv[3:]
    if several:
        join(several[0], int(several[1]), int(several[2]), timeout=30.0)
    print(json.dumps(globals()[name](token_mesh())))


if __name__ == "__main__":
    main()
