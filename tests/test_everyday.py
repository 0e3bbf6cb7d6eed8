"""The command line as people use it every day: pipes, tables of any separator, files of options, typing mistakes."""

from __future__ import annotations

import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonargparse import Namespace

from cli_problem import Command, draw_pictures
from metricvae import cli
from metricvae.cli.common import say
from metricvae.cli.completion import bash_script, completed, fish_script
from metricvae.cli.config_file import with_config
from metricvae.cli.parser import Parser
from metricvae.core.errors import InputError, say_of_input
from metricvae.core.pair_list import read_pair_list, write_rows
from metricvae.runtime.progress import progress


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("everyday") / "pictures")


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a text on the standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


# Pipes


def test_tables_come_from_stdin_and_go_to_stdout(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, feed: Callable[[str], None], capfdbinary
) -> None:
    monkeypatch.chdir(pictures)
    feed("a;b\nsmall.png;large.png\n")
    assert read_pair_list(Path("-")).files == (Path("small.png"), Path("large.png"))
    write_rows(Path("-"), ["a", "b"], [[os.fsdecode(b"\xff"), 1]])
    say(Namespace(json=False, out="-"), {}, "written")
    out, err = capfdbinary.readouterr()
    assert (out, err) == (b"a,b\r\n\xff,1\r\n", b"written\n")


@pytest.mark.slow
def test_a_list_comes_from_stdin_and_its_answers_go_to_stdout(
    command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch, feed: Callable[[str], None]
) -> None:
    monkeypatch.chdir(pictures)
    feed("a;b\nsmall.png;large.png\n")
    said = command("predict", "overlap", "--pairs", "-", "--out", "-")
    header, row = said.out.split("\r\n")[:2]
    assert header == "a,b,predicted,low,high"
    assert re.fullmatch(r"small.png,large.png,[\d.]+,[\d.]+,[\d.]+", row)
    assert (said.status, said.err) == (0, "1 pairs predicted, written to -\n")
    feed("a;b\nsmall.png;large.png\n")
    said = command("predict", "overlap", "--pairs", "-", "--out", "-", "--json")
    assert (said.status, said.out, "both write to the standard output" in said.err) == (2, "", True)


@pytest.mark.skipif(os.name != "posix", reason="closes a stream by its shell's syntax")
def test_closed_streams_are_no_tracebacks() -> None:
    base = [sys.executable, "-m", "metricvae", "--version"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "-", *base], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the standard output is closed" in done.stderr
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "-", *base[:-1], "nonsense"], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")


# Mistakes


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("slove a.png b.png", "solve"),
        ("predict overlpa a.png b.png", "overlap"),
        ("solve a.png b.png --certfy 0.1", "--certify"),
        ("label overlpa --objects mixed --pairs 8 --out d", "overlap"),
        ("import x.csv --kind silhouete --out d", "silhouette"),
        ("import x.csv --kind image --metric tabulr --out d", "tabular"),
        ("train d --out m --preset overlp", "overlap"),
    ],
)
def test_what_may_have_been_meant_is_said(
    command: Command, words: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a,b,value\nx,y,1\n")
    said = command(*words.split())
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert f"(did you mean {meant}?)" in said.err


# How much is said


@pytest.mark.parametrize(("options", "lines"), [((), 0), (("--quiet",), 0), (("--verbose",), 2)])
def test_quiet_and_verbose(
    command: Command, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], lines: int
) -> None:
    times = itertools.count()
    monkeypatch.setattr("metricvae.runtime.progress.time.monotonic", lambda: 2.0 * next(times))

    def run(_: object) -> dict[str, object]:
        with progress() as step:
            step("working", 1, 2)
            step("working", 2, 2)
        if options != ():
            say_of_input("a remark")
        return {}

    monkeypatch.setitem(cli.VERBS, "kinds", cli.Verb("work", ("",), lambda *_: None, run))
    said = command("kinds", *options)
    assert said.status == 0
    assert said.err.count("working") == lines
    assert ("metricvae: a remark\n" in said.err) == (options == ("--verbose",))


def test_verbose_says_where_an_error_comes_from(command: Command) -> None:
    said = command("predict", "nowhere", "a", "b", "--verbose")
    assert said.status == 2
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("metricvae: nowhere is not a model")
    assert command("kinds", "--quiet", "--verbose").status == 2


# Files of options


def options_of(*arguments: str) -> list[str]:
    return with_config(arguments, lambda given: cli.parser_of("train", given))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.toml", 'out = "m"\ntensorboard = true\npair-head = false\n[training]\nsteps = 5\nmirror = true\n'),
        ("x.json", '{"out": "m", "tensorboard": true, "pair-head": false, "training": {"steps": 5, "mirror": true}}'),
    ],
)
def test_a_file_of_options_is_those_options(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    expected = ["--out=m", "--tensorboard", "--training.steps=5", "--training.mirror=true", "data"]
    assert options_of("data", "--config", str(tmp_path / name)) == expected
    assert options_of(f"--config={tmp_path / name}", "data") == expected
    found = cli._parse("train", ["data", "--config", str(tmp_path / name), "--training.steps", "7"])
    assert (found.out, found.training.steps, found.training.mirror) == ("m", 7, True)


def test_options_of_several_words_stand_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('ids = ["a", "b"]\n')
    found = cli._parse("delete", ["index", "--config", str(tmp_path / "x.toml")])
    assert (found.index, found.ids) == ("index", ["a", "b"])
    (tmp_path / "y.toml").write_text('require = ["a=1", "b=2"]\nout = "d"\n')
    found = cli._parse("generate", ["overlap", "--config", str(tmp_path / "y.toml")])
    assert found.require == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ouut = 1", r"no option ouut \(did you mean --out\?\)"),
        ("tensorboard = 3", "expected true or false"),
        ("out = ", "neither TOML nor JSON"),
        ("[" * 5000, "neither TOML nor JSON"),
        ('{"a": ' * 2000, "deep|readable"),
    ],
)
def test_bad_files_of_options_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=said):
        options_of("data", "--config", str(tmp_path / "x"))


# Shells


def test_a_script_completes_verbs_options_and_choices() -> None:
    verbs = {name: completed(cli.parser_of(name)) for name in ("predict", "index", "completion")}
    assert "overlap" in verbs["predict"].words
    assert verbs["index"].choices["--side"] == ("left", "right")
    assert verbs["completion"].words == ("bash", "zsh", "fish")
    assert "complete -c metricvae -n '__fish_seen_subcommand_from index' -l side -x -a 'left right'" in fish_script(
        verbs
    )
    script = (
        bash_script(verbs)
        + '\nCOMP_WORDS=(metricvae "$1" "$2" "$3"); COMP_CWORD=$4; _metricvae; echo "${COMPREPLY[@]}"'
    )
    for words, place, expected in (
        (("pr", "", ""), 1, "predict"),
        (("predict", "ov", ""), 2, "overlap"),
        (("predict", "--nov", ""), 2, "--novelty"),
        (("index", "--side", "r"), 3, "right"),
    ):
        done = subprocess.run(["bash", "-c", script, "-", *words, str(place)], capture_output=True, text=True)
        assert done.stdout.strip() == expected, (words, done.stderr)


def test_every_verb_takes_what_all_take() -> None:
    for name in cli.VERBS:
        parser = cli.parser_of(name)
        assert isinstance(parser, Parser)
        for option in ("json", "config", "quiet", "verbose"):
            assert parser.option_named(option) is not None
