"""`metricvae completion`: a script that has a shell complete verbs, options and their choices."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Completed:
    """What can stand after a verb.

    Attributes:
        options: names, with `--`.
        words: what may stand alone: choices of its first argument, or names of models.
        choices: of an option's value.
    """

    options: tuple[str, ...]
    words: tuple[str, ...]
    choices: dict[str, tuple[str, ...]]


def completed(parser: Parser) -> Completed:
    """What a verb's parser takes."""
    from metricvae.training.checkpoint import shipped_models

    options, words, choices = list[str](), list[str](), dict[str, tuple[str, ...]]()
    for action in parser.all_actions():
        longest = [name for name in action.option_strings if name.startswith("--")]
        options += longest
        if not action.option_strings and action.choices:
            words += map(str, action.choices)
        elif not action.option_strings and action.dest == "model":
            words += shipped_models()
        elif action.choices:
            choices |= dict.fromkeys(longest, tuple(map(str, action.choices)))
    return Completed(tuple(options), tuple(words), choices)


def bash_script(verbs: dict[str, Completed]) -> str:
    """A script for bash, which zsh reads, too; what is no option is completed as a file."""
    cases = [
        f"    {name}:{option}) words={shlex.quote(' '.join(values))} ;;"
        for name, one in verbs.items()
        for option, values in one.choices.items()
    ]
    cases += [
        f"    {name}:*) words={shlex.quote(' '.join((*one.options, *one.words)))} ;;" for name, one in verbs.items()
    ]
    return "\n".join(
        [
            "_metricvae() {",
            '  local words="" word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
            '  case "${COMP_WORDS[1]}:$before" in',
            *cases,
            "  esac",
            f'  if [ "$COMP_CWORD" -eq 1 ]; then words={shlex.quote(" ".join(verbs))}; fi',
            '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
            "}",
            "complete -o default -F _metricvae metricvae",
        ]
    )


def fish_script(verbs: dict[str, Completed]) -> str:
    """A script for fish."""
    lines = [f"complete -c metricvae -n __fish_use_subcommand -a {shlex.quote(' '.join(verbs))}"]
    for name, one in verbs.items():
        seen = f"complete -c metricvae -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{seen} -a {shlex.quote(' '.join(one.words))}"] if one.words else []
        lines += [
            f"{seen} -l {option[2:]}"
            + (f" -x -a {shlex.quote(' '.join(one.choices[option]))}" if option in one.choices else "")
            for option in one.options
        ]
    return "\n".join(lines)


def _options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def _completion(options: Namespace) -> Fields:
    from metricvae.cli import VERBS, parser_of

    verbs = {name: completed(parser_of(name)) for name in VERBS}
    script = fish_script(verbs) if options.shell == "fish" else bash_script(verbs)
    if options.shell == "zsh":
        script = f"autoload -U +X bashcompinit && bashcompinit\n{script}"
    return say(options, {"script": script}, script)


COMPLETION = Verb(
    "print a script that completes verbs and options in a shell",
    ('bash   (in ~/.bashrc: eval "$(metricvae completion bash)")', "zsh", "fish"),
    _options,
    _completion,
)
