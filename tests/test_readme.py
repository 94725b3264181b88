"""What the README shows is what happens."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("True")
    assert (tmp_path / "run" / "certificate.json").exists()


def test_links_lead_somewhere():
    root = Path(__file__).parents[1]
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README) if not t.startswith("http")]
    assert targets and all((root / t).exists() for t in targets), targets


def test_the_commands_shown_exist():
    from measureformer.cli.app import app

    commands = {c.callback.__name__ for c in app.registered_commands}
    assert set(re.findall(r"^measureformer (\w+)", README, re.MULTILINE)) <= commands
