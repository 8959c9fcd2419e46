"""What was typed, held against what a command takes, before the command does anything."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_type_hints

from fire.parser import DefaultParseValue

HELP = {"--help", "-h", "--"}  # and what is Fire's own, after the two dashes
FLAG = re.compile(r"--(?P<name>[\w-]+)(?:=(?P<value>.*))?$", re.DOTALL)
PLAIN = {int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"}


def check_usage(commands: Mapping[str, Callable[..., Any]], words: Sequence[str]) -> None:
    """Raise ValueError for an unknown command or flag, for what is lacking, and for a word in place of a number.

    Fire calls a command first, and tells afterwards which of the flags it could not use.

    Args:
        commands: name -> function.
        words: what stands behind the program's name.
    """
    if not words or HELP & set(words):
        return
    command = words[0]
    if command not in commands:
        hint = _nearest(command, commands) or f"; they are {', '.join(commands)}"
        raise ValueError(f"{command}: is no command{hint}")
    parameters = inspect.signature(commands[command]).parameters
    kinds = {one.kind for one in parameters.values()}
    flags, values = _parted(words[1:], parameters)
    for flag in flags:
        if flag not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise ValueError(f"--{flag}: {command} takes no such flag{_nearest(flag, parameters)}")
    places = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD and name not in flags]
    if len(values) > len(places) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        raise ValueError(f"{command}: takes {len(places)} values besides its flags, got {len(values)}")
    given = flags | dict(zip(places, values, strict=False))
    lacking = [name for name, one in parameters.items() if _is_needed(one) and name not in given]
    if lacking:
        raise ValueError(
            f"{command}: lacks {lacking[0].upper()}; `llmsegnet-bundle {command} --help` tells what it takes"
        )
    hints = get_type_hints(commands[command])
    for name, value in given.items():
        if told := _misfit(hints.get(name), value):
            raise ValueError(f"{name}: must be {told}, got {value!r}")


def _parted(words: Sequence[str], parameters: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return flags with their values, and the values that stand for themselves; one behind a flag is the flag's."""
    flags: dict[str, str] = {}
    values, waiting = [], ""
    for word in words:
        found = FLAG.match(word)
        if found:
            name = found["name"].replace("-", "_")
            off = name.startswith("no") and name not in parameters and name[2:] in parameters
            waiting = "" if off or found["value"] is not None else name
            flags[name[2:] if off else name] = str(not off) if found["value"] is None else found["value"]
        elif waiting:
            flags[waiting], waiting = word, ""
        else:
            values.append(word)
    return flags, values


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind in (
        parameter.POSITIONAL_OR_KEYWORD,
        parameter.KEYWORD_ONLY,
    )


def _misfit(hint: Any, word: str) -> str:
    """Return what a value of a plain type must be, where the word is none, as Fire reads it."""
    kinds = set(get_args(hint) or (hint,))
    if not kinds <= PLAIN.keys():
        return ""
    value = DefaultParseValue(word)
    fits = type(value) in kinds or (type(value) is int and float in kinds)
    return "" if fits else " or ".join(told for kind, told in PLAIN.items() if kind in kinds)


def _nearest(name: str, known: Iterable[str]) -> str:
    from llmsegnet_bundle.settings import nearest  # takes seconds, as it imports MONAI

    return nearest(name, known)
