"""What ``measureformer analyze`` does."""

import io
import json
import shutil
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..interpolation.interpolate import SIMULATION_FILE, check_free, claim, versions
from ..models import Analysis, analyze
from ..models.page import analysis_page
from .console import stages

PARTS = "parts"
FILES = ("layers.parquet", "cosines.npz", "spectra.npz")


def run_analyze(
    model: str, text: Path, out: Path, *, whole: bool, layers: int | None, window: int | None, angle: float, memory_mb: float, force: bool,
    as_json: bool,
) -> dict:  # fmt: skip
    """``measureformer analyze``: the summary."""
    check_free(out, force=force)
    texts = _texts(text, whole=whole)
    if force:
        shutil.rmtree(out / PARTS, ignore_errors=True)
    start = time.perf_counter()
    with stages() as stage:
        result = analyze(model, texts, layers=layers, window=window, angle=angle, memory_mb=memory_mb, parts=out / PARTS, progress=stage)
        stage("writing")
        claim(out, force=force)
        for name in FILES:
            (out / name).unlink(missing_ok=True)
        _write(out, result)
        from ..report import write_page

        stage("drawing")
        files = [str(path.relative_to(out)) for path in write_page(out, analysis_page(result))]
        fit = result.fit
        summary = {
            "model": result.model,
            "texts": result.texts,
            "windows": len(result.sizes),
            "windowed_texts": result.cut,
            "tokens": result.tokens,
            "fit": None if fit is None else {"beta": fit.beta, "time_per_layer": fit.time, "residual": fit.residual},
            "mean_cosine": result.mean("mean_cosine").tolist(),
            "effective_rank": result.mean("effective_rank").tolist(),
            "notes": result.notes,
            "files": [*files, *(name for name in FILES if (out / name).exists())],
            "wall_s": time.perf_counter() - start,
            "versions": versions(),
        }
        write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
        shutil.rmtree(out / PARTS, ignore_errors=True)
    if not as_json:
        _show(result, out, summary["wall_s"])
    return {**summary, "out": str(out)}


def _texts(file: Path, *, whole: bool) -> list[str]:
    try:
        content = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--text {file}: {error.strerror}; give a file of text") from None
    except UnicodeDecodeError:
        raise InputError(f"--text {file} is not text in UTF-8; convert it") from None
    texts = [content] if whole else content.splitlines()
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise InputError(f"--text {file} is empty; give one text a line, or --whole")
    return texts


def _write(out: Path, result: Analysis) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    layer, quantity, value, stderr, head = zip(*result.rows(), strict=True)
    sink = pa.BufferOutputStream()
    columns = {
        "layer": pa.array(layer, pa.int32()),
        "quantity": quantity,
        "value": value,
        "stderr": stderr,
        "head": pa.array(head, pa.int32()),
    }
    pq.write_table(pa.table(columns), sink)
    write_whole(out / "layers.parquet", sink.getvalue().to_pybytes())
    _write_npz(
        out / "cosines.npz", edges=result.edges, histogram=result.density(), counts=result.counts,
        histogram_with_gain=result.density(raw=True), counts_with_gain=result.raw_counts,
    )  # fmt: skip
    if result.heads is not None:
        _write_npz(
            out / "spectra.npz",
            value=np.array([[head.value_spectrum for head in layer] for layer in result.heads]),
            score=np.array([[head.score_spectrum for head in layer] for layer in result.heads]),
        )


def _write_npz(path: Path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def _show(result: Analysis, out: Path, seconds: float) -> None:
    console = Console()
    for line in [*analysis_page(result).statement, f"Written: {out} ({seconds:.1f} s); report.html has the figures."]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
