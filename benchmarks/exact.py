"""Exact flows against integrators that are asked for ten digits, and what fixed steps cost beyond a hand-written scan: `make bench-exact`.

Prints three Markdown tables. Times are CPU milliseconds (all threads together), the best of some calls after one that compiles; all methods
of a row do the same work in one run. Errors are the largest in any coordinate, against the closed form in JAX; the closed form itself is
compared with tight integration in the tests.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from measureformer import Empirical, ParticleField, Softmax, flow
from measureformer.flows import boost, gated_flow, meanfield_flow
from measureformer.geometry import normalize, tangent


def seconds(call: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """CPU seconds of the best of at least ``repeat`` calls (more if short), after one that is not counted, and the last value."""
    jax.block_until_ready(call())
    best, value = np.inf, None
    begin, calls = time.process_time(), 0
    while calls < repeat or (calls < 20 * repeat and time.process_time() - begin < 0.5):
        calls += 1
        start = time.process_time()
        value = jax.block_until_ready(call())
        best = min(best, time.process_time() - start)
    return best, value


def adaptive(field: Callable, solver: Any, t: float) -> Callable:
    """diffrax with rtol = atol = 1e-10."""

    @jax.jit
    def solve(x):
        controller = diffrax.PIDController(rtol=1e-10, atol=1e-10)
        term = diffrax.ODETerm(lambda s, y, args: field(y))
        return diffrax.diffeqsolve(term, solver, 0.0, t, None, x, stepsize_controller=controller, max_steps=100_000).ys[-1]

    return solve


def rk4(field: Callable, t: float, steps: int) -> Callable:
    """The classical method in a scan, normalised after each step."""
    h = t / steps

    @jax.jit
    def solve(x):
        def step(y, _):
            a = field(y)
            b = field(y + h / 2 * a)
            c = field(y + h / 2 * b)
            return normalize(y + h / 6 * (a + 2 * b + 2 * c + field(y + h * c))), None

        return jax.lax.scan(step, x, None, length=steps)[0]

    return solve


def rows_of_flows(n: int, repeat: int) -> None:
    """Boost, gate and clock."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(normalize(rng.normal(size=(n, 3))))
    a, w = jnp.asarray(rng.normal(size=(2, 3)))
    tau, alpha = 0.3 * float(jnp.linalg.norm(a)), w / jnp.linalg.norm(w)

    def gate(y):
        return jnp.maximum(y @ a - tau, 0)[:, None] * tangent(y, jnp.broadcast_to(w, y.shape))

    def constant(y):
        return tangent(y, jnp.broadcast_to(w, y.shape))

    def mean_field(y):
        return tangent(y, (y.mean(0) @ alpha) * jnp.broadcast_to(alpha, y.shape))

    numbers = {name: np.asarray(value) for name, value in (("a", a), ("w", w), ("alpha", alpha))}
    cases = [
        (
            "boost, t = 4",
            jax.jit(lambda y: boost(y, 4 * w)),
            lambda y: boost(y, 4 * numbers["w"]),
            [("Dopri8, 1e-10", adaptive(constant, diffrax.Dopri8(), 4.0))],
        ),
        (
            "gated great circle, t = 4",
            lambda y: gated_flow(y, a, tau, w, 4.0),
            lambda y: gated_flow(y, numbers["a"], tau, numbers["w"], 4.0),
            [("Tsit5, 1e-10", adaptive(gate, diffrax.Tsit5(), 4.0))],
        ),
        (
            "rank-one mean field, t = 3",
            lambda y: meanfield_flow(Empirical(y), alpha, 3.0),
            lambda y: meanfield_flow(Empirical(y), numbers["alpha"], 3.0),
            [(f"RK4, {k} steps", rk4(mean_field, 3.0, k)) for k in (100, 400)],
        ),
    ]
    print(f"| n = {n}, d = 3 | method | CPU ms | ratio | error |\n|---|---|---|---|---|")
    for what, ours, on_numpy, peers in cases:
        base, exact = seconds(lambda ours=ours: ours(x), repeat)
        print(f"| {what} | closed form, JAX | {1e3 * base:.1f} | 1 | |")
        if on_numpy is not None:
            taken, found = seconds(lambda f=on_numpy: f(np.asarray(x)), repeat)
            print(f"| | closed form, NumPy | {1e3 * taken:.1f} | {taken / base:.2f} | {abs(found - exact).max():.1e} |")
        for name, peer in peers:
            taken, found = seconds(lambda peer=peer: peer(x), 1)
            print(f"| | {name} | {1e3 * taken:.1f} | {taken / base:.1f} | {abs(normalize(found) - exact).max():.1e} |", flush=True)


def rows_of_clocks(n: int, repeat: int) -> None:
    """Mean-field attention of rank one against RK4 with as many steps as ten digits take."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(normalize(rng.normal(size=(n, 3))))
    e = jnp.asarray(normalize(rng.normal(size=(1, 3)))[0])
    print("\n| |alpha|^2 | T | closed form, CPU ms | RK4 steps for 1e-10 | CPU ms | error | ratio |\n|---|---|---|---|---|---|---|")
    for square in (1.0, 3.0, 6.0, 12.0):
        for t in (1.0, 3.0, 10.0):
            alpha = np.sqrt(square) * e

            def field(y, alpha=alpha):
                return tangent(y, (y.mean(0) @ alpha) * jnp.broadcast_to(alpha, y.shape))

            base, exact = seconds(lambda alpha=alpha, t=t: meanfield_flow(Empirical(x), alpha, t), repeat)
            steps = max(int(square * t), 4)
            while not (error := float(abs(rk4(field, t, steps)(x) - exact).max())) <= 1.05e-10:
                steps = int(np.ceil(steps * min((error / 1e-10) ** 0.25, 1.5)))
            taken, _ = seconds(partial(rk4(field, t, steps), x), 1)
            print(f"| {square:g} | {t:g} | {1e3 * base:.1f} | {steps} | {1e3 * taken:.0f} | {error:.1e} | {taken / base:.0f} |", flush=True)


def rows_of_steps(sizes: list[int], repeat: int) -> None:
    """Fixed steps: a scan by hand, diffrax as it comes, and ours."""
    print("\n| n, 60 steps | method | CPU ms a step | ratio to the scan |\n|---|---|---|---|")
    law, h, steps = ParticleField(Softmax(4.0)), 0.05, 60
    for n in sizes:
        mu = Empirical(normalize(np.random.default_rng(1).normal(size=(n, 3))))
        x, weights = jnp.asarray(mu.points), jnp.asarray(mu.weights)
        for name, solver in (("Euler", diffrax.Euler()), ("Midpoint", diffrax.Midpoint())):
            base, _ = seconds(partial(_scan(law, solver, h, steps), x, weights), repeat)
            print(f"| {n} | {name}, scan | {1e3 * base / steps:.3f} | 1 |")
            ours = partial(flow, law, mu, h * steps, step=h, solver=solver)
            for method, call in (("diffrax", partial(_diffrax(law, solver, h, steps), x, weights)), ("flow(step=...)", ours)):
                taken, _ = seconds(lambda call=call: getattr(value := call(), "points", value), repeat)
                print(f"| | {method} | {1e3 * taken / steps:.3f} | {taken / base:.2f} |", flush=True)


def _diffrax(law, solver, h, steps):
    """diffrax as it comes, with fixed steps."""

    def solve(y, weights):
        term = diffrax.ODETerm(lambda t, z, args: law(z, z, weights, t))
        return diffrax.diffeqsolve(term, solver, 0.0, h * steps, h, y, max_steps=steps + 1).ys

    return jax.jit(solve)


def _scan(law, solver, h, steps):
    """The solver's steps in a scan, normalised after each; Euler without the solver. The weights are an argument as everywhere here: those
    that are compiled in save a quarter of the time, and cost a compilation for each measure."""

    def solve(y, weights):
        term = diffrax.ODETerm(lambda t, z, args: law(z, z, weights, t))

        def step(y, k):
            if isinstance(solver, diffrax.Euler):
                return normalize(y + h * law(y, y, weights, 0.0)), None
            memory = solver.init(term, k * h, (k + 1) * h, y, None)
            return normalize(solver.step(term, k * h, (k + 1) * h, y, None, memory, made_jump=True)[0]), None

        return jax.lax.scan(step, y, jnp.arange(steps))[0]

    return jax.jit(solve)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 1000])
    parser.add_argument("--repeat", type=int, default=5)
    choice = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows_of_flows(choice.tokens, choice.repeat)
    rows_of_clocks(choice.tokens, choice.repeat)
    rows_of_steps(choice.sizes, choice.repeat)


if __name__ == "__main__":
    main()
