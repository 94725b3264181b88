"""Formulas as inline SVG, drawn by matplotlib when the pages are built: nothing to download, no script, the colour of the text.

The usual renderers load a program from a server when a page is read. Matplotlib is here anyway, and its mathtext knows the TeX that we
write, after a few spellings are made regular. What it does not know is a warning, and warnings stop the build.
"""

import re
from functools import cache
from html import escape

from docutils import nodes
from sphinx.util import logging

_UNIT = 1000  # of the drawing, to 1 em
_SPELLINGS = [
    (r"\\[tdc]frac(?![A-Za-z])", r"\\frac"),
    (r"\\(?:[bB]ig+[lrm]?)(?![A-Za-z])\s*(\\?[^\sA-Za-z])", r"\1"),
    (r"\\le(?![A-Za-z])", r"\\leq "),
    (r"\\ge(?![A-Za-z])", r"\\geq "),
    (r"\\ne(?![A-Za-z])", r"\\neq "),
    (r"\\to(?![A-Za-z])", r"\\rightarrow "),
    (r"\\(i*)int(?![A-Za-z_^])", r"\\\1int\\,"),
    (r"\\lVert|\\rVert", r"\\|"),
    (r"\\lvert|\\rvert", r"|"),
    (r"\\(?:text|textrm)\{", r"\\mathrm{"),
    (r"\\operatorname\{(\w+)\}", r"\\mathrm{\1}\\,"),
    (r"\\varnothing", r"\\emptyset"),
    (r"\\sqrt\s*([A-Za-z0-9])", r"\\sqrt{\1}"),
    (r"\\sqrt\s+(\\[A-Za-z]+)", r"\\sqrt{\1}"),
    (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
    (r"\\frac\s*(\w)\s*([A-Za-z])", r"\\frac{\1}{\2}"),
    (r"\\frac\s*(\d)\s*(\\[A-Za-z]+)", r"\\frac{\1}{\2}"),
    (r"\\frac\s*(\\[A-Za-z]+)\s*(\d|\\[A-Za-z]+)", r"\\frac{\1}{\2}"),
]


def regular(tex: str) -> str:
    """The formula in the spelling of mathtext, on one line; spaces inside \\text are kept."""
    tex = " ".join(tex.split())
    tex = re.sub(r"\\text\{([^{}]*)\}", lambda m: r"\mathrm{" + m.group(1).replace(" ", r"\ ") + "}", tex)
    for pattern, replacement in _SPELLINGS:
        tex = re.sub(pattern, replacement, tex)
    return tex


@cache
def svg(tex: str, display: bool = False) -> str:
    """The formula as an ``<svg>`` that stands on the line of the text around it; fractions of a display are large.

    Raises:
        ValueError: mathtext does not know it.
    """
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextToPath

    with rc_context({"mathtext.fontset": "cm", "text.usetex": False}):
        draw, font, source = (
            TextToPath(),
            FontProperties(size=_UNIT),
            f"${regular(tex)}$".replace(r"\frac", r"\dfrac" if display else r"\frac"),
        )
        width, height, depth = draw.mathtext_parser.parse(source, 72, FontProperties(size=draw.FONT_SCALE))[:3]
        vertices, codes = draw.get_text_path(font, source, ismath=True)
    scale = _UNIT / draw.FONT_SCALE
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    strokes, last = [], None
    for (x, y), code in zip(vertices, codes, strict=True):
        if code == Path.CLOSEPOLY:
            strokes.append("Z")
        else:
            new = code != last or code in (Path.MOVETO, Path.LINETO)
            strokes.append(f"{letters[code] if new else ''}{round(x * scale)} {round(-y * scale)}")
        last = code
    width, height, depth = (round(value * scale) for value in (width, height, depth))
    pad = 40  # overhang of slanted letters
    return (
        f'<svg class="mathtext" role="img" aria-label="{escape(tex, quote=True)}" viewBox="{-pad} {-height - pad} {width + 2 * pad} '
        f'{height + depth + 2 * pad}" style="width:{(width + 2 * pad) / _UNIT:.3f}em;height:{(height + depth + 2 * pad) / _UNIT:.3f}em;'
        f'vertical-align:{-(depth + pad) / _UNIT:.3f}em"><path d="{" ".join(strokes)}"/></svg>'
    )


def _draw(node: nodes.Element, display: bool) -> str:
    tex = node.astext()
    try:
        return svg(tex, display)
    except ValueError as problem:
        said = str(problem).strip().splitlines()[-1]
        logging.getLogger(__name__).warning("this formula cannot be drawn: %s (%s)", tex, said, location=node)
        return f"<code>{escape(tex)}</code>"


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(_draw(node, False))
    raise nodes.SkipNode


def _display(translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math-display">{_draw(node, True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathtext", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
