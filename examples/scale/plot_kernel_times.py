"""
All pairs or harmonics
======================

One evaluation of softmax attention, the same tokens, both ways: time for all pairs grows with the square of their
number, for harmonics it is linear. Larger beta needs more harmonics.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from measureformer.dynamics import sphere_field
from measureformer.fields import Softmax
from measureformer.geometry import normalize

sizes = [250, 1000, 4000, 16000]
rng = np.random.default_rng(0)


def seconds(function):
    function()
    times = []
    for _ in range(3):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return max(min(times), 1e-5)


figure, ax = plt.subplots(figsize=(8, 4.6))
tokens = {n: normalize(rng.normal(size=(n, 3))) for n in sizes}
pairs = [seconds(lambda x=x: np.asarray(Softmax(4.0)(x, x, np.full(len(x), 1 / len(x))))) for x in list(tokens.values())[:3]]
ax.loglog(sizes[:3], pairs, "o-", label="all pairs")
for beta in (1.0, 9.0, 36.0):
    ax.loglog(sizes, [seconds(lambda x=x, b=beta: sphere_field(x, b)) for x in tokens.values()], "s--", label=f"harmonics, beta = {beta:g}")
ax.set(xlabel="tokens", ylabel="CPU seconds for one evaluation")
ax.legend()
plt.show()
