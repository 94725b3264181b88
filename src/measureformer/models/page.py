"""An analysis as pictures and tables."""

import numpy as np

from ..experiments.literature.page import Image, Page, Panel, Picture, Series, Table
from .analysis import Analysis
from .quantities import BETAS, EDGES

_PANELS = 12  # histograms shown
_BAND = 1.96  # standard errors of a 95 % interval


def analysis_page(result: Analysis) -> Page:
    """Histograms of pair cosines layer by layer, curves over depth, and the heads."""
    pictures = [_histograms(result), _curves(result)]
    if result.heads is not None or result.entropy.size:
        pictures.append(_heads(result))
    return Page(
        name="analysis",
        title=f"Tokens through {_short(result.model['name'])}",
        source="Figure 1 of Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, for this model and these texts",
        statement=_statement(result),
        parameters=[],
        defects=[],
        pictures=pictures,
        tables=[
            _table(result),
            Table("layers", "All numbers", ("layer", "quantity", "value", "stderr", "head"), result.rows(), shown=False),
        ],
    )


def _short(name: str) -> str:
    return str(name).rstrip("/").rpartition("/")[2] or str(name)


def _statement(result: Analysis) -> list[str]:
    cosine, rank = result.mean("mean_cosine"), result.mean("effective_rank")
    about = result.model
    said = [
        f"{result.texts} texts, {len(result.sizes)} measures of {result.sizes.mean():.1f} tokens on average, on the sphere of "
        f"R^{about['dimension']}, {about['layers']} layers. A point is what the norm of the layer makes of a hidden state, gain left out.",
        f"The mean cosine of pairs goes from {cosine[0]:.3f} to {cosine[-1]:.3f}, the effective rank from {rank[0]:.1f} to {rank[-1]:.1f}.",
    ]
    if result.fit is not None:
        said.append(
            f"Of all equiangular flows, beta = {result.fit.beta:.3g} and {result.fit.time:.3g} units of time a layer come closest to the "
            f"mean cosines; they are off by {result.fit.residual:.2g} (root mean square)."
        )
    if about["layers"] != about["trained_layers"]:
        said.append(f"The model was trained with {about['trained_layers']} layers; its one layer was applied {about['layers']} times.")
    return [*said, *result.notes]


def _histograms(result: Analysis) -> Picture:
    density = result.density()
    shown = np.unique(np.linspace(0, len(density) - 1, min(_PANELS, len(density))).round().astype(int))
    wide = density.reshape(len(density), -1, 4).mean(-1)
    centers = EDGES.reshape(-1)[:-1].reshape(-1, 4)[:, 0] + 2 * (EDGES[1] - EDGES[0])
    panels = [
        Panel(
            f"layer {layer}" if layer else "after the embedding",
            [Series(centers, wide[layer], look="band", top=0 * centers), Series(centers, wide[layer])],
            xlabel="cosine of two tokens",
            ylabel="density",
            xlim=(-1, 1),
            ylim=(0, float(wide[shown].max()) * 1.05),
        )
        for layer in shown.tolist()
    ]
    return Picture("cosines", "Density of the cosines of all pairs of tokens.", panels, columns=4)


def _curves(result: Analysis) -> Picture:
    layers = np.arange(len(result.counts))

    def curve(quantity: str, label: str = "", color: int = 0) -> list[Series]:
        mean, error = result.mean(quantity), result.stderr(quantity)
        band = [Series(layers, mean - _BAND * error, look="band", top=mean + _BAND * error, color=color)] if error.any() else []
        return [*band, Series(layers, mean, label, color=color)]

    cosine = curve("mean_cosine", "model")
    if result.fit is not None:
        cosine.append(Series(layers, result.fit.curve, "equiangular flow", "dashed", 1))
    density = result.density()
    cells = density.reshape(len(density), -1, 4).mean(-1)
    centers = EDGES[:-1].reshape(-1, 4)[:, 0] + 2 * (EDGES[1] - EDGES[0])
    high = float(np.quantile(cells, 0.995)) or 1.0
    energies = [s for color, beta in enumerate(BETAS) for s in curve(f"energy_beta_{beta:g}", f"β = {beta:g}", color)]
    image = Image(layers, centers, np.minimum(cells, high).T, "density", 0.0, high)
    share = [*curve("order_parameter", "|mean|"), *curve("anisotropy", "largest eigenvalue", 1)]
    panels = [
        Panel("density of pair cosines", image=image, xlabel="layer", ylabel="cosine"),
        Panel("mean cosine", cosine, xlabel="layer", ylabel="cosine"),
        Panel("effective rank", curve("effective_rank"), xlabel="layer", ylabel="rank"),
        Panel("energy, 1 for a single point", energies, xlabel="layer", ylabel="energy"),
        Panel("one direction", share, xlabel="layer", ylabel="share", ylim=(0, 1.02)),
        Panel("clusters", [*curve("clusters", "clusters")], xlabel="layer", ylabel="clusters"),
    ]
    return Picture("depth", "Over depth; bands are 95 % intervals over the texts.", panels)


def _heads(result: Analysis) -> Picture:
    panels = []
    if result.heads is not None:
        layers = 1 + np.repeat(np.arange(len(result.heads)), [len(layer) for layer in result.heads])
        heads = [head for layer in result.heads for head in layer]
        panels.append(Panel("β of the heads", [Series(layers, [head.beta for head in heads], look="dots")], xlabel="layer", ylabel="β"))
        spectrum = np.asarray(np.concatenate([head.value_spectrum for head in heads]), complex)
        panels.append(
            Panel(
                "eigenvalues of V",
                [Series(np.real(spectrum), np.imag(spectrum), look="dots", color=1)],
                kind="plane",
                xlabel="real",
                ylabel="imaginary",
            )
        )
    if result.entropy.size:
        mean = result.entropy.mean(0)
        layers = 1 + np.repeat(np.arange(mean.shape[0]), mean.shape[1])
        uniform = float(np.log(result.sizes).mean())
        series = [
            Series(layers, mean.ravel(), look="dots", color=2),
            Series([0.7, mean.shape[0] + 0.3], [uniform] * 2, "uniform", "dotted", -1),
        ]
        panels.append(Panel("entropy of attention", series, xlabel="layer", ylabel="nats"))
    return Picture("heads", "Each dot is a head (or an eigenvalue of one), on unit tokens.", panels)


def _table(result: Analysis) -> Table:
    names = ("mean_cosine", "cosine_q10", "cosine_q90", "order_parameter", "anisotropy", "effective_rank", "clusters", "largest_cluster")
    rows = [[layer, *(float(result.mean(name)[layer]) for name in names)] for layer in range(len(result.counts))]
    return Table("depth", "Layer by layer", ("layer", *(name.replace("_", " ") for name in names)), rows)
