"""
Deep residual layers become a flow
==================================

The solution map of a Vlasov equation is an in-context map, and L residual layers approximate it with an error of
order 1/L. Attention and perceptron in turn, as in practice, have order 1 too; Strang's ordering has order 2;
independent random layers only 1/2, and for the flow of their mean.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import MultiHead, Neurons, ParticleField, Softmax
from measureformer.geometry import Euclidean
from measureformer.incontext import depth_study, flow_map, random_network, residual_network

rng = np.random.default_rng(1)
law, neurons = (
    Softmax(1.0, *(0.5 * rng.normal(size=(2, 2)) for _ in range(3))),
    Neurons(*(0.5 * rng.normal(size=s) for s in ((2, 4), (4, 2), (4,)))),
)
parts = [ParticleField(piece, Euclidean()) for piece in (law, neurons)]
whole = ParticleField(MultiHead((law, neurons)), Euclidean())
horizon, depths = 1.0, (8, 16, 32, 64, 128)
measures = [mf.Empirical(rng.uniform(-1, 1, (n, 2))) for n in (4, 9)]
probes = rng.uniform(-1, 1, (6, 2))
reference = flow_map(whole, horizon)

studies = {
    name: depth_study(lambda L, how=how: residual_network(parts, horizon, L, splitting=how), reference, measures, probes, depths)
    for name, how in (("one step for both", "sum"), ("in turn", "alternate"), ("Strang", "strang"))
}


def noisy(generator):
    """Attention whose values have mean V and a random part that is fresh in each layer."""
    return ParticleField(MultiHead((Softmax(1.0, law.Q, law.K, law.V + generator.normal(size=(2, 2))), neurons)), Euclidean())


def random_error(seed):
    rngs = np.random.default_rng(seed).spawn(len(depths))
    draws = dict(zip(depths, rngs, strict=True))
    return depth_study(lambda L: random_network(noisy, horizon, L, draws[L]), reference, measures, probes, depths).errors


random = np.sqrt(np.mean([random_error(seed) ** 2 for seed in range(12)], axis=0))
order = -np.polyfit(np.log(depths), np.log(random), 1)[0]

figure, ax = plt.subplots(figsize=(8, 4.6))
for name, study in studies.items():
    ax.loglog(study.depths, study.errors, "o-", markersize=4, label=f"{name}: order {study.order:.2f}")
ax.loglog(depths, random, "o-", markersize=4, label=f"random layers, 12 draws: order {order:.2f}")
plain = studies["one step for both"]
ax.loglog(
    plain.depths[: len(plain.extrapolated)],
    plain.extrapolated,
    "s--",
    markersize=4,
    label=f"extrapolated: order {plain.extrapolated_order:.2f}",
)
ax.set(xlabel="layers", ylabel="largest distance to the flow", xticks=depths, xticklabels=depths)
ax.minorticks_off()
ax.legend()
plt.show()
