"""A Transformer trained on a labelled in-context map, and how it does on contexts of other lengths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..fields import MultiHead, Neurons, Softmax
from ..measures import Empirical
from .approximate import Errors, Labelled, errors_of
from .maps import InContextMap, identity, layer_map


class Network(eqx.Module):
    """Residual layers, attention then perceptron in each."""

    layers: tuple[tuple[MultiHead, Neurons], ...]

    def __call__(self, z: Any, n: int, weights: Any) -> Any:
        """The tokens z (batch, n + q, d) at the end; the first n are the atoms, the others go along."""
        for attention, neurons in self.layers:
            z = z + attention(z, z[:, :n], weights)
            z = z + neurons(z, z[:, :n], weights)
        return z


@dataclass(frozen=True)
class Fitted:
    """What training gave.

    Attributes:
        network: the trained layers.
        losses: mean squared distance of the labels at each step.
    """

    network: Network
    losses: np.ndarray

    def as_map(self) -> InContextMap:
        """The network on any measure, in NumPy."""
        whole = identity()
        for pair in jax.tree.map(np.asarray, self.network).layers:
            for law in pair:
                whole = whole >> layer_map(law)
        return whole


def fit_network(
    data: Labelled, key: jax.Array, *, layers: int = 2, heads: int = 2, neurons: int = 16, steps: int = 500, rate: float = 3e-3
) -> Fitted:
    r"""Minimise the mean of $|T_\theta(\mu, x) - G(\mu, x)|^2$ by Adam on all labelled points at once.

    Contexts of fewer tokens are filled up with atoms of mass zero, so sizes may differ. Since W_p(T_# mu, G_# mu) <= sup |T - G|, give
    queries off the support and unequal masses too: the theorem is uniform over all of them. Needs the extra ``train`` (optax).

    Args:
        data: triples (mu, x, G(mu, x)), all with as many queries.
        key: of the random start.
        layers, heads, neurons: sizes.
        steps: of Adam.
        rate: learning rate.

    Raises:
        InputError: no data; labels of another dimension than the tokens, or numbers of queries that differ; optax is missing.
    """
    try:
        import optax
    except ModuleNotFoundError:
        raise InputError("training needs optax; install the extra: pip install 'measureformer[train]'") from None
    z, n, weights, labels = _padded(data)
    network = _start(key, z.shape[-1], layers, heads, neurons, z.dtype)
    optimiser = optax.adam(rate)

    def loss(net):
        return jnp.mean(jnp.sum((net(z, n, weights)[:, n:] - labels) ** 2, -1))

    @jax.jit
    def step(net, state):
        value, slope = jax.value_and_grad(loss)(net)
        change, state = optimiser.update(slope, state)
        return optax.apply_updates(net, change), state, value

    state, losses = optimiser.init(network), []  # type: ignore[arg-type]
    for _ in range(steps):
        network, state, value = step(network, state)
        losses.append(float(value))
    return Fitted(network, np.array(losses))


def by_length(
    G: InContextMap, target: InContextMap, sample: Callable[[int], Empirical], x: Any, lengths: Sequence[int], *, repeats: int = 10
) -> dict[int, Errors]:
    """Errors of G on contexts of each length.

    Args:
        G: the fitted map, and ``target`` the true one.
        sample: N -> a random measure of N tokens.
        x: queries (q, d).
        lengths: N, also ones that were not trained on.
        repeats: measures for each N.
    """
    found = {}
    for n in lengths:
        measures = [sample(n) for _ in range(repeats)]
        found[n] = errors_of(G, [(mu, x, target(mu, x)) for mu in measures])
    return found


def _padded(data: Labelled):
    if not data:
        raise InputError("data is empty; give triples (mu, x, G(mu, x))")
    n, q, d = max(mu.size for mu, *_ in data), len(data[0][1]), data[0][0].dimension
    if any(np.shape(x) != (q, d) or np.shape(y) != (q, d) for _, x, y in data):
        shapes = {(np.shape(x), np.shape(y)) for _, x, y in data}
        raise InputError(f"queries and labels have shapes {sorted(shapes)}; all must be ({q}, {d}): as many, of the same dimension")
    points, weights = np.zeros((len(data), n, d)), np.zeros((len(data), n))
    for k, (mu, *_) in enumerate(data):
        points[k, : mu.size], weights[k, : mu.size] = mu.points, mu.weights
    z = jnp.asarray(np.concatenate([points, np.stack([x for _, x, _ in data])], 1))
    return z, n, jnp.asarray(weights, z.dtype), jnp.asarray(np.stack([y for *_, y in data]), z.dtype)


def _start(key, d, layers, heads, neurons, dtype) -> Network:
    def matrix(shape, size):
        nonlocal key
        key, part = jax.random.split(key)
        return size * jax.random.normal(part, shape, dtype)

    def block():
        laws = tuple(Softmax(jnp.ones((), dtype), *(matrix((d, d), d**-0.5) for _ in range(3))) for _ in range(heads))
        attention = MultiHead(laws, tuple(matrix((d, d), 0.3 * d**-0.5) for _ in range(heads)))
        perceptron = Neurons(matrix((d, neurons), 0.3 * neurons**-0.5), matrix((neurons, d), d**-0.5), matrix((neurons,), 0.5))
        return attention, perceptron

    return Network(tuple(block() for _ in range(layers)))
