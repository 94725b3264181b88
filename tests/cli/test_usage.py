"""The mistakes of the first ten minutes: one line that says what is wrong and what to do, exit code 2, nothing written."""

import pytest

FLOW = "[measure]\nn = 8\n[flow]\nhorizon = 1.0\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with what a new user may have there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "summary.json").write_text("{}")
    (tmp_path / "file").write_text("x")
    (tmp_path / "flow.toml").write_text(FLOW)
    (tmp_path / "table.toml").write_text("measure = 3\n" + FLOW.replace("[measure]\nn = 8\n", ""))
    return tmp_path


@pytest.mark.parametrize(("words", "message"), [
    ("demo --seed -1", "--seed: input should be greater than or equal to 0; measureformer demo --help shows"),
    ("demo --sed 3", "no such option: --sed (Possible options: --seed); measureformer demo --help"),
    ("demo --out used", "used holds another run; give another --out, or --force"),
    ("interpolate --sources a.csv --targets b.csv --out new", "missing option '--eps'; measureformer interpolate --help"),
    ("interpolate --sources a.csv --targets b.csv --eps x --out new", "--eps: input should be a valid number"),
    ("verify", "missing argument 'DIR'; measureformer verify --help"),
    ("verify file", "file holds no certificate.json; give the directory of a finished run"),
    ("apply used --input a.csv --output b.csv", "used/schedule.safetensors: there is no such schedule; give the directory of a run"),
    ("export used --format tf --output net", "--format: 'tf' is not one of 'torch', 'onnx', 'safetensors'"),
    ("simulate used --out new", "used: the file cannot be read (Is a directory); give a configuration in TOML"),
    ("simulate table.toml --out new", "table.toml: measure = 3 must be a table, as in [measure]"),
    ("simulate flow.toml --out new --save-every -1", "flow.save_every = -1.0: input should be greater than 0"),
    ("sweep flow.toml --out new", "nothing is swept; add a table [grid]"),
    ("laws sofmax", "there is no law 'sofmax'; did you mean 'softmax'?"),
    ("reproduce causl --out new", "did you mean 'causal'?"),
    ("interpolat", "no such command 'interpolat'"),
    ("doctor now", "got unexpected extra argument"),
])  # fmt: skip
def test_one_line_with_a_remedy(cli, folder, words, message):
    before = sorted(folder.rglob("*"))
    done = cli(*words.split())
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert message in done.err
    assert sorted(folder.rglob("*")) == before


def test_without_words_there_is_help(cli):
    done = cli()
    assert done.code == 2 and "Usage: measureformer" in done.out + done.err and "doctor" in done.out + done.err


def test_a_module_that_is_not_there():
    from measureformer import InputError
    from measureformer.incontext.worker import load_function

    with pytest.raises(InputError, match=r"there is no module nowhere; give its file, as in nowhere\.py:f"):
        load_function("nowhere:f")


@pytest.mark.parametrize(("words", "found"), [("reproduce ph", "phase-diagram"), ("laws soft", "softmax"), ("simul", "simulate")])
def test_completion(cli, monkeypatch, words, found):
    monkeypatch.setenv("_MEASUREFORMER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"measureformer {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert cli().out.split() == [found]
