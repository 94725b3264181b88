"""A trained Transformer from a folder or a cache, and texts cut into windows that it takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import InputError

_UNBOUNDED = 10**6  # tokenisers say 1e30 where they know no limit


@dataclass(frozen=True)
class TrainedModel:
    """A network with its tokeniser.

    Attributes:
        name: as it was asked for.
        network: the module; it returns hidden states and attention weights, and keeps no gradients.
        tokenizer: of the same model.
        layers: how many layers it runs.
        trained_layers: how many it was trained with.
        dimension: d, of the hidden states.
        heads: of a layer.
        window: the largest number of tokens it takes; None if nothing bounds it.
        shared: whether all layers have the same weights.
    """

    name: str
    network: Any
    tokenizer: Any
    layers: int
    trained_layers: int
    dimension: int
    heads: int
    window: int | None
    shared: bool


def load_model(name: str | Path, *, layers: int | None = None) -> TrainedModel:
    """Load an encoder or a decoder; of a model with both, the encoder. Float32, attention weights spelled out.

    Args:
        name: a folder, or a name of the Hugging Face hub. Cached models need no network.
        layers: run so many layers instead of the trained number: one layer applied again and again, for models whose layers share weights.

    Raises:
        InputError: ``transformers`` or PyTorch is not installed; the model can't be found or read; ``layers`` for separate weights.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Figure 1: ALBERT, run to twice its depth.
    """
    transformers = _transformers()
    where = str(name)
    config, tokenizer = (_found(kind, where) for kind in (transformers.AutoConfig, transformers.AutoTokenizer))
    trained = _count(config, where)
    shared = getattr(config, "num_hidden_groups", None) == 1 and getattr(config, "inner_group_num", 1) == 1
    if layers is not None and layers != trained:
        if not shared:
            raise InputError(f"layers = {layers}: {where} has {trained} layers with weights of their own; leave layers out")
        if layers < 1:
            raise InputError(f"layers must be at least 1, got {layers}")
        config.num_hidden_layers = layers
    network = _found(transformers.AutoModel, where, config=config, attn_implementation="eager", dtype="float32")
    if getattr(config, "is_encoder_decoder", False):
        network = network.get_encoder()
    network.eval()
    network.requires_grad_(False)
    bounds = [getattr(config, "max_position_embeddings", None), getattr(config, "n_positions", None), tokenizer.model_max_length]
    known = [int(bound) for bound in bounds if bound is not None and 0 < bound < _UNBOUNDED]
    return TrainedModel(
        where, network, tokenizer, layers or trained, trained, int(config.hidden_size), int(config.num_attention_heads),
        min(known, default=None), shared,
    )  # fmt: skip


def windows(model: TrainedModel, texts: Sequence[str], window: int | None = None) -> Iterator[tuple[int, list[int]]]:
    """The tokens of each text as (number of the text, token numbers), cut where the text is longer than the model takes.

    Each window has the special tokens of the model (beginning, end), as in training.

    Raises:
        InputError: a window of less than 4 tokens, or of more than the model takes.
    """
    longest = model.window if window is None else window
    if longest is not None and (longest < 4 or (model.window is not None and longest > model.window)):
        raise InputError(f"window = {longest}: {model.name} takes 4 to {model.window or 'any number of'} tokens at a time")
    added = model.tokenizer.num_special_tokens_to_add(pair=False)
    for number, text in enumerate(texts):
        plain = model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if longest is None or len(plain) + added <= longest:
            yield number, list(model.tokenizer(text, verbose=False)["input_ids"])
            continue
        room = longest - added
        # special tokens stand at the ends: what a short text has there goes around each piece
        framed = list(model.tokenizer("", verbose=False)["input_ids"])
        head, tail = framed[: (added + 1) // 2], framed[(added + 1) // 2 :]
        for start in range(0, len(plain), room):
            yield number, [*head, *plain[start : start + room], *tail]


def _transformers() -> Any:
    try:
        transformers: Any = import_module("transformers")
    except ImportError:
        raise InputError("trained models need the package transformers; install the extra: pip install 'measureformer[models]'") from None
    if not transformers.is_torch_available():
        raise InputError("trained models run in PyTorch, which is not installed here; install torch beside measureformer")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _found(kind: Any, name: str, **how: Any) -> Any:
    """From the folder or the cache; from the hub only if that fails."""
    local = Path(name).is_dir()
    problem: Exception | None = None
    for only_local in (True,) if local else (True, False):
        try:
            return kind.from_pretrained(name, local_files_only=only_local, **how)
        except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
            problem = error
    said = str(problem).strip().splitlines()
    if local:
        raise InputError(f"MODEL: the folder {name} holds no model that can be read ({said[0] if said else problem})")
    raise InputError(
        f"MODEL: {name} is no folder, is not in the cache of Hugging Face models, and could not be fetched; "
        f"give the path of a folder with config.json, the weights and the tokeniser"
    ) from problem


def _count(config: Any, name: str) -> int:
    for key in ("num_hidden_layers", "n_layer", "num_layers"):
        if getattr(config, key, None):
            return int(getattr(config, key))
    raise InputError(f"MODEL: {name} has no layers with hidden states; give an encoder or a decoder of text")
