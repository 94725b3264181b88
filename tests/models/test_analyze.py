"""Trained and random models against PyTorch, run the plain way. Skipped where PyTorch or transformers is not installed."""

import json
from pathlib import Path

import numpy as np
import pytest

from measureformer.errors import InputError
from measureformer.models import analyze, load_model
from measureformer.models.quantities import QUANTITIES
from measureformer.models.states import Recorder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages below us

TEXTS = ["a b c d e", "e d", "b b b a c a d e e e", "c"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e"]

SMALL = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
CONFIGS = {
    "bert": ("BertConfig", dict(SMALL, max_position_embeddings=24)),
    "albert": ("AlbertConfig", dict(SMALL, embedding_size=8, max_position_embeddings=24)),
    "gpt2": (
        "GPT2Config",
        {"vocab_size": len(WORDS), "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 24, "bos_token_id": 2, "eos_token_id": 3},
    ),
    "llama": ("LlamaConfig", dict(SMALL, num_key_value_heads=1, max_position_embeddings=24, bos_token_id=2, eos_token_id=3)),
    "distilbert": (
        "DistilBertConfig",
        {"vocab_size": len(WORDS), "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 24},
    ),
}
KINDS = {"bert": "LayerNorm", "albert": None, "gpt2": "LayerNorm", "llama": "RMSNorm", "distilbert": "LayerNorm"}


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def folder(request, tmp_path_factory):
    """A random model with gains that are not 1, saved with a tokeniser of five words."""
    kind, options = CONFIGS[request.param]
    torch.manual_seed(0)
    network = transformers.AutoModel.from_config(getattr(transformers, kind)(**options))
    with torch.no_grad():
        for module in network.modules():
            if "norm" in type(module).__name__.lower():
                module.weight.uniform_(0.3, 2.0)
    path = tmp_path_factory.mktemp(request.param)
    network.save_pretrained(path)
    vocabulary = path / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    transformers.BertTokenizer(str(vocabulary)).save_pretrained(path)
    return path


def plain(path: Path, text: str):
    """Hidden states of one text, as a user of transformers gets them."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    network = transformers.AutoModel.from_pretrained(path, attn_implementation="eager").eval()
    with torch.no_grad():
        return network(tokenizer(text, return_tensors="pt")["input_ids"], output_hidden_states=True, output_attentions=True)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_states_against_a_plain_run(folder):
    model = load_model(folder)
    tokens = [model.tokenizer(text)["input_ids"] for text in TEXTS]
    for text, layered in zip(TEXTS, Recorder(model).run(tokens), strict=True):
        expected = plain(folder, text)
        hidden = np.stack([state[0].double().numpy() for state in expected.hidden_states])
        np.testing.assert_allclose(layered.raw, unit(hidden), atol=1e-5)
        share = np.stack([a[0].double().numpy() for a in expected.attentions])
        entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(-1).mean(-1)
        np.testing.assert_allclose(layered.entropy, entropy, atol=1e-5)


def test_gains_are_undone(folder):
    """Post-LN: dividing the hidden state by the gain; Pre-LN: the normalised state itself. And scaling every gain changes no point."""
    kind = folder.name.rstrip("0")
    model = load_model(folder)
    recorder = Recorder(model)
    layered = recorder.run([model.tokenizer(TEXTS[0])["input_ids"]])[0]
    hidden = plain(folder, TEXTS[0]).hidden_states
    for layer, (norm, state) in enumerate(zip(recorder.norms, hidden, strict=True)):
        h = state[0].double().numpy()
        if norm is None:
            assert kind == "albert" and layer == 0  # its embedding is mapped to the width of the layers after the norm
            continue
        if kind in ("gpt2", "llama") and layer < 3:  # not normalised: the next norm reads it
            expected = unit(h - h.mean(-1, keepdims=True) if norm.centred else h)
        else:  # the output of a norm, whose bias is 0 here
            expected = unit(h / norm.gain)
        np.testing.assert_allclose(layered.directions[layer], expected, atol=1e-5)
        assert norm.centred == (kind != "llama")


def test_spectra_of_heads(folder):
    """The non-zero eigenvalues of the full matrices d x d."""
    result = analyze(folder, TEXTS)
    model = load_model(folder)
    recorder = Recorder(model)
    recorder.run([model.tokenizer(TEXTS[0])["input_ids"]])
    if folder.name.startswith("bert"):
        layer = model.network.encoder.layer[1]
        W = {n: getattr(layer.attention.self, n).weight.double().numpy() for n in ("query", "key", "value")}
        O = layer.attention.output.dense.weight.double().numpy()
        G = np.diag(model.network.encoder.layer[0].output.LayerNorm.weight.double().numpy())
        head = result.heads[1][1]
        B = 16 / np.sqrt(8) * G @ W["query"][8:].T @ W["key"][8:] @ G
        full = np.sort(np.linalg.eigvalsh((B + B.T) / 2))[::-1]
        np.testing.assert_allclose(head.score_spectrum, full, atol=1e-9)
        V = 4 * O[:, 8:] @ W["value"][8:] @ G
        np.testing.assert_allclose(np.sort(abs(head.value_spectrum)), np.sort(abs(np.linalg.eigvals(V)))[-8:], atol=1e-9)
        assert head.beta == pytest.approx(np.linalg.norm((B + B.T) / 2) / 4)
    assert [len(layer) for layer in result.heads] == [2, 2, 2]


def test_histograms_and_numbers(folder):
    """Against cosines computed directly."""
    result = analyze(folder, TEXTS, memory_mb=0.01)  # one text a batch
    together = analyze(folder, TEXTS)
    np.testing.assert_allclose(result.values, together.values, atol=1e-5)
    assert abs(result.counts - together.counts).sum() <= 2  # of pairs at the border of a cell
    cosines = [[] for _ in range(4)]
    for text in TEXTS:
        for layer, state in enumerate(plain(folder, text).hidden_states):
            x = unit(state[0].double().numpy())
            cosines[layer].extend((x @ x.T)[np.triu_indices(len(x), 1)])
    for layer in range(4):
        direct = np.histogram(np.clip(cosines[layer], -1, 1), result.edges)[0]
        assert abs(direct - result.raw_counts[layer]).sum() <= 2
    assert result.counts.sum(-1).tolist() == [len(c) for c in cosines]
    np.testing.assert_allclose(result.density().sum(-1) * 0.01, 1)
    assert result.values.shape == (4, 4, len(QUANTITIES))


def test_long_texts_are_cut_and_said_so(folder):
    result = analyze(folder, ["a b c d e " * 20, "a b"], window=12)
    assert result.sizes.max() <= 12 and result.cut == 1
    assert any("cut into windows" in note for note in result.notes)
    assert result.tokens >= 100  # no word is lost
    with pytest.raises(InputError, match=r"window = 99: .* takes 4 to 24"):
        analyze(folder, ["a"], window=99)


def test_an_interrupted_analysis_goes_on(folder, tmp_path, monkeypatch):
    from measureformer.models import analysis

    monkeypatch.setattr(analysis, "_CHUNK", 2)
    whole = analyze(folder, TEXTS)

    def stop(what, done, total):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze(folder, TEXTS, parts=tmp_path, progress=stop)
    assert len(list(tmp_path.glob("part-*.npz"))) == 1
    runs = []
    monkeypatch.setattr(analysis, "_chunk", lambda *a, real=analysis._chunk: runs.append(1) or real(*a))
    resumed = analyze(folder, TEXTS, parts=tmp_path)
    assert len(runs) == 1  # the first part is not run again
    np.testing.assert_array_equal(resumed.values, whole.values)
    np.testing.assert_array_equal(resumed.counts, whole.counts)
    with pytest.raises(InputError, match="other parameters"):
        analyze(folder, TEXTS[:2], parts=tmp_path)


def test_shared_layers_run_beyond_their_depth(folder):
    if folder.name.startswith("albert"):
        deep = analyze(folder, TEXTS, layers=7)
        np.testing.assert_allclose(deep.values[:, :4], analyze(folder, TEXTS).values, atol=1e-5)
        assert deep.values.shape[1] == 8 and len(deep.heads) == 7
    else:
        with pytest.raises(InputError, match="weights of their own"):
            load_model(folder, layers=7)


def test_the_command(folder, tmp_path):
    import pyarrow.parquet as pq
    from typer.testing import CliRunner

    from measureformer.cli.app import app

    (tmp_path / "texts.txt").write_text("\n".join([*TEXTS, "", "a b c"]))
    out = tmp_path / "run"
    found = CliRunner().invoke(app, ["analyze", str(folder), "--text", str(tmp_path / "texts.txt"), "--out", str(out), "--json"])
    assert found.exit_code == 0, found.output
    summary = json.loads(found.stdout)
    assert summary["texts"] == 5 and len(summary["mean_cosine"]) == 4
    table = pq.read_table(out / "layers.parquet")
    assert {"layer", "quantity", "value"} <= set(table.column_names)
    with np.load(out / "cosines.npz") as cosines:
        assert cosines["histogram"].shape == (4, len(cosines["edges"]) - 1)
    assert (out / "report.html").stat().st_size > 20_000 and not (out / "parts").exists()
    again = CliRunner().invoke(app, ["analyze", str(folder), "--text", str(tmp_path / "texts.txt"), "--out", str(out)])
    assert again.exit_code == 2 and "--force" in again.output
