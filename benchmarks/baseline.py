"""What users would try otherwise: the same network trained by Adam through its layers: `make baseline` (needs the extra "train").

One Markdown table. The trained network has the architecture, depth and widths of the refined one: one residual attention layer, then
post-norm residual blocks. It is trained in float32 on the squared distance of each atom to the atom that the optimal assignment gives it
(recomputed every few steps, so the loss is W_2^2 with chordal cost), for the time that our planning and refinement took, and for ten times
as long; compilation does not count, and the best of several learning rates is shown, each of which had that time for itself.
"""

import argparse
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from instances import overlapping_caps, subset
from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow, interpolate, wasserstein2
from measureformer.diagnostics import stretch
from measureformer.export import Network
from measureformer.fields import attention, perceptron
from measureformer.geometry import normalize
from measureformer.schedule import balance

INSTANCES = {
    "d=3, N=4, n=24": lambda seed: overlapping_caps(3, 4, 24, seed),
    "subset, d=3, n=32": lambda seed: subset(3, 32, seed),
    "d=16, N=4, n=32": lambda seed: overlapping_caps(16, 4, 32, seed),
}
QUANTITIES = ("segments or layers", "W_2", "sup norm on [0, 1]", "stretch", "seconds")
# Adam steps between two assignments, and learning rates that are tried.
STEPS, RATES = 20, (3e-3, 1e-2)


def forward(theta: dict, x, weights, probe):
    """The tokens after the network, and a passive probe that sees them without being seen."""

    def see(y):
        return normalize(y + attention(y, x, weights, theta["B"]) @ theta["V"].T)

    def block(state, layer):
        return tuple(normalize(y + perceptron(y, *layer)) for y in state), None

    (x, probe), _ = jax.lax.scan(block, (see(x), see(probe)), (theta["W"], theta["U"], theta["b"]))
    return x, probe


def batched(theta: dict, x, weights):
    """The tokens of all measures, padded with atoms of weight zero, after the network."""
    return jax.vmap(lambda y, w: forward(theta, y, w, y[:1])[0])(x, weights)


@partial(jax.jit, static_argnames="optimiser")
def train(theta: dict, state, optimiser, rate, x, weights, goals):
    """``STEPS`` steps of Adam towards fixed goals."""

    def loss(theta):
        return (weights * ((batched(theta, x, weights) - goals) ** 2).sum(-1)).sum() / len(x)

    def step(carry, _):
        theta, state = carry
        updates, state = optimiser.update(jax.grad(loss)(theta), state, theta)
        return (optax.apply_updates(theta, jax.tree.map(lambda u: -rate * u, updates)), state), None

    (theta, state), _ = jax.lax.scan(step, (theta, state), length=STEPS)
    return theta, state, batched(theta, x, weights)


def assign(moved: np.ndarray, sources: list[Empirical], targets: list[Empirical]) -> np.ndarray:
    """For each atom the target atom that the optimal assignment gives it (equal sizes and weights)."""
    from scipy.optimize import linear_sum_assignment

    goals = np.array(moved)
    for i, (mu, nu) in enumerate(zip(sources, targets, strict=True)):
        goals[i, : mu.size] = nu.points[linear_sum_assignment(-moved[i, : mu.size] @ nu.points.T)[1]]
    return goals


def initial(d: int, width: int, blocks: int, seed: int) -> dict:
    """Random parameters; residual branches are small, the smaller the deeper the network."""
    rng = np.random.default_rng(seed)
    shapes = {"V": (d, d), "B": (d, d), "W": (blocks, d, width), "U": (blocks, width, d), "b": (blocks, width)}
    scales = {"V": 0.5, "B": 1.0, "W": 1 / np.sqrt(blocks), "U": 1.0, "b": 0.0}
    return {name: jnp.asarray(scales[name] / np.sqrt(d) * rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


def trained(sources: list[Empirical], targets: list[Empirical], *, width: int, layers: int, seconds: float, seed: int) -> list[str]:
    """The column of a network trained for that time: its best learning rate."""
    size = max(mu.size for mu in sources)
    x = jnp.asarray([np.resize(mu.points, (size, mu.dimension)) for mu in sources], jnp.float32)
    weights = jnp.asarray([np.pad(mu.weights, (0, size - mu.size)) for mu in sources], jnp.float32)
    best = None
    for peak in RATES:
        theta, optimiser = initial(sources[0].dimension, width, layers - 1, seed), optax.scale_by_adam()
        state = optimiser.init(theta)
        moved = train(theta, state, optimiser, 0.0, x, weights, x)[2].block_until_ready()  # compiles
        begin, steps = time.perf_counter(), 0
        while (spent := time.perf_counter() - begin) < seconds:
            rate = peak * (1 + np.cos(np.pi * spent / seconds)) / 2
            theta, state, moved = train(theta, state, optimiser, rate, x, weights, assign(np.asarray(moved), sources, targets))
            steps += STEPS
        w2 = largest(sources, targets, [np.asarray(y, float)[: mu.size] for y, mu in zip(moved, sources, strict=True)])
        if best is None or w2 < best[0]:
            best = w2, theta, peak, steps
    assert best is not None
    w2, theta, peak, steps = best
    theta = jax.tree.map(lambda a: np.asarray(a, float), theta)
    first = Segment(TransformerField(V=theta["V"], B=theta["B"]), 1.0)
    blocks = [Segment(TransformerField(W=W, U=U, b=b), 1.0) for W, U, b in zip(theta["W"], theta["U"], theta["b"], strict=True)]
    norm = balance(Schedule([first, *blocks]), 1.0).sup_norm()
    return [
        str(layers),
        f"{w2:.1e}",
        f"{norm:.0f}",
        f"{network_stretch(theta, sources):.1e}",
        f"{seconds:.1f} (rate {peak:g}, {steps} steps)",
    ]


def network_stretch(theta: dict, sources: list[Empirical]) -> float:
    """The largest singular value of the differential of the trained map at the atoms, the measure being given."""
    worst = 0.0
    for mu in sources:
        jacobian = jax.vmap(jax.jacfwd(lambda y, mu=mu: forward(theta, mu.points, mu.weights, y[None])[1][0]))(mu.points)
        tangent = np.eye(mu.dimension) - mu.points[:, :, None] * mu.points[:, None, :]
        worst = max(worst, float(np.linalg.svd(np.asarray(jacobian) @ tangent, compute_uv=False).max()))
    return worst


def largest(sources: list[Empirical], targets: list[Empirical], points: list[np.ndarray]) -> float:
    """The largest W_2 when the atoms are there."""
    return max(wasserstein2(mu.moved(normalize(y)), nu).value for mu, nu, y in zip(sources, targets, points, strict=True))


def explicit(sources: list[Empirical], targets: list[Empirical], *, eps: float, **options) -> tuple[list[str], Network | None, float]:
    """The column of one of our strategies: W_2 by the network in float64, or by the schedule where there is none; and time."""
    begin = time.perf_counter()
    try:
        plan = interpolate(sources, targets, eps=eps, **options)
    except InputError as error:
        return [f"refused: {str(error).split(';')[0][:90]}", *["-"] * 4], None, 0.0
    seconds, network = time.perf_counter() - begin, plan.network
    moved = [network(mu.points, mu.weights) for mu in sources] if network else [mu.points for mu in flow(plan.schedule, sources).measures]
    stretched = stretch(plan.schedule, sources).largest
    cells = [
        str(len(plan.schedule)) + (f" / {len(network.layers)}" if network else ""), f"{largest(sources, targets, moved):.1e}",
        f"{plan.schedule.sup_norm():.0f}", f"{stretched:.1e}", f"{seconds:.1f}",
    ]  # fmt: skip
    return cells, network, seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eps", type=float, default=1e-6)
    parser.add_argument("--refine", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0, help="of the instances and of everything else")
    choice = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    columns = ("instance", "", "paper", "compact", "refined", "trained by Adam, equal time", "trained by Adam, 10 times as long")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for name, make in INSTANCES.items():
        sources, targets = make(choice.seed)
        options = {"eps": choice.eps, "seed": choice.seed}
        paper = explicit(sources, targets, strategy="paper", **options)[0]
        compact = explicit(sources, targets, strategy="compact", **options)[0]
        refined, network, seconds = explicit(sources, targets, strategy="compact", refine=choice.refine, **options)
        assert network is not None
        size = {"width": network.width, "layers": len(network.layers), "seed": choice.seed}
        adam = [trained(sources, targets, seconds=factor * seconds, **size) for factor in (1, 10)]
        for row in zip([name, "", "", "", ""], QUANTITIES, paper, compact, refined, *adam, strict=True):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
