"""How figures of the examples look on these pages: colours that a colour-blind person can tell apart, and little else."""


def reset(gallery_conf, fname) -> None:
    """Before each example."""
    from cycler import cycler
    from matplotlib import rcParams

    rcParams.update(
        {
            "axes.prop_cycle": cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B"]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "figure.dpi": 110,
            "font.size": 10,
            "legend.edgecolor": "none",
            "legend.framealpha": 0.9,
            "savefig.bbox": "tight",
        }
    )
