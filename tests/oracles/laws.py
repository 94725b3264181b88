"""The attention laws once more, one loop for each sum. Every function returns A(x) for one point x among atoms y_j of mass w_j > 0."""

import numpy as np


def softmax(x, y, w, Q, K, V, beta):
    masses = [w[j] * np.exp(beta * (Q @ x) @ (K @ y[j])) for j in range(len(y))]
    return sum(m * (V @ y[j]) for j, m in enumerate(masses)) / sum(masses)


def unnormalised(x, y, w, Q, K, V, beta):
    return sum(w[j] * np.exp(beta * (Q @ x) @ (K @ y[j])) * (V @ y[j]) for j in range(len(y)))


def linear(x, y, w, Q, K, V, beta):
    return sum(w[j] * beta * ((Q @ x) @ (K @ y[j])) * (V @ y[j]) for j in range(len(y)))


def l2(x, y, w, Q, K, V, beta):
    masses = [w[j] * np.exp(-beta * np.sum((Q @ x - K @ y[j]) ** 2)) for j in range(len(y))]
    return sum(m * (V @ y[j]) for j, m in enumerate(masses)) / sum(masses)


def sigmoid(x, y, w, Q, K, V, beta):
    return sum(w[j] * (V @ y[j]) / (1 + np.exp(-beta * (Q @ x) @ (K @ y[j]))) for j in range(len(y)))


def hardmax(x, y, w, Q, K, V, beta):
    others = [j for j in range(len(y)) if (y[j] != x).any()]
    best = max((Q @ x) @ (K @ y[j]) for j in others)
    chosen = [j for j in others if (Q @ x) @ (K @ y[j]) == best]
    return sum(w[j] * (V @ y[j]) for j in chosen) / sum(w[j] for j in chosen)


def sinkhorn(x, y, w, Q, K, V, beta, rounds=3000):
    """eps = 1; alternate normalisation of the matrix of the atoms, outside of the logarithmic domain; then the row of x."""
    m = len(y)
    kernel = np.array([[np.exp(beta * (Q @ y[i]) @ (K @ y[j])) for j in range(m)] for i in range(m)])
    column = np.ones(m)
    for _ in range(rounds):
        row = np.array([1 / sum(kernel[i, j] * column[j] * w[j] for j in range(m)) for i in range(m)])
        column = np.array([1 / sum(kernel[i, j] * row[i] * w[i] for i in range(m)) for j in range(m)])
    masses = [w[j] * np.exp(beta * (Q @ x) @ (K @ y[j])) * column[j] for j in range(m)]
    return sum(a * (V @ y[j]) for j, a in enumerate(masses)) / sum(masses)
