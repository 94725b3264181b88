"""``--help`` of every command: an example, at once."""

import os

import pytest

COMMANDS = (
    "demo",
    "interpolate",
    "verify",
    "apply",
    "export",
    "simulate",
    "check",
    "laws",
    "reproduce",
    "gaussian",
    "sweep",
    "analyze",
    "doctor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(cli, command):
    done = cli(command, "--help")
    assert (done.code, done.err) == (0, "")
    words = " ".join(done.out.split())
    assert f"Example: measureformer {command}" in words
    assert "--json" in words


def test_help_lists_the_commands_at_once(process, tmp_path):
    """Within a second of processor time; on a busy machine the clock says little."""
    start = sum(os.times()[2:4])
    done = process("--help", cwd=tmp_path)
    assert sum(os.times()[2:4]) - start < 1
    assert (done.code, done.err) == (0, "")
    assert all(command in done.out for command in COMMANDS)


def test_version(cli):
    done = cli("--version")
    assert done.code == 0 and done.out[0].isdigit()


def test_no_command_and_an_unknown_one(cli):
    assert cli().code == 2
    done = cli("interpolte")
    assert (done.code, done.out) == (2, "") and "interpolte" in done.err
