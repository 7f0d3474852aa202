"""What is wrong with a command line, told as every other error is: what, and what to do next."""

from __future__ import annotations

import re

import click

from ssmi.cli.completion import values_by_parameter
from ssmi.pipeline.contract.errors import ParameterError, closest, nearest

_VALUE = re.compile(r"""^(['"])(?P<value>.*?)\1""")
"""The value that click quotes first in what it says of one that is not among the choices."""


class CommandGroup(click.Group):
    """Commands under one name; answers an unknown one with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises ParameterError where there is none of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):  # an option in a command's place, which click has named
                raise
            raise ParameterError(
                f"{ctx.command_path}: no command {args[0]!r}", next_step=nearest(args[0], self.list_commands(ctx))
            ) from None


def as_parameter_error(error: click.ClickException) -> ParameterError:
    """What click found wrong with a command line, in this program's form."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        return ParameterError(f"no option {error.option_name}", next_step=_nearest_option(error.option_name, context))
    # Before BadParameter, of which it is one.
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return ParameterError(f"{_name(error.param)} is missing", next_step=_how_to_give(error.param, context))
    if isinstance(error, click.BadParameter):
        name = f"{_name(error.param)}: " if error.param is not None else ""
        return ParameterError(f"{name}{_plain(error.message)}", next_step=_nearest_choice(error) or _help(context))
    return ParameterError(_plain(error.format_message()), next_step=_help(context))


def _name(parameter: click.Parameter) -> str:
    """``--split``, ``FILES``: as a person types it."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.human_readable_name


def _nearest_option(name: str, context: click.Context | None) -> str:
    # get_params and not params: it has --help too.
    parameters = [] if context is None else context.command.get_params(context)
    # Without the dashes, which would make any two options alike.
    options = {option.lstrip("-"): option for one in parameters for option in (*one.opts, *one.secondary_opts)}
    near = closest(name.lstrip("-"), options)
    if near is not None:
        return f"did you mean {options[near]}?"
    # `--epochs 3`, as other trainers have it: parameters are set by -S.
    meant = name.lstrip("-").replace("-", "_")
    if "overrides" in {one.name for one in parameters}:
        keys = [key for key in values_by_parameter() if meant in (key, key.rpartition(".")[2])]
        if not keys and (close := closest(meant, (key.rpartition(".")[2] for key in values_by_parameter()))):
            keys = [key for key in values_by_parameter() if key.rpartition(".")[2] == close]
        if keys:
            return f"set a parameter with -S: {' or '.join(f'-S {key}=VALUE' for key in keys)}"
        return f"{_help(context)}; parameters are set with -S SECTION.KEY=VALUE, and ssmi-cli params lists them"
    return _help(context)


def _nearest_choice(error: click.BadParameter) -> str:
    """The choice most like the value that was given; empty where there is nothing to choose from."""
    kind = error.param.type if error.param is not None else None
    if not isinstance(kind, click.Choice):
        return ""
    given = _VALUE.match(error.message)
    near = closest(given["value"], kind.choices) if given else None
    return f"choose one of {', '.join(kind.choices)}" if near is None else f"did you mean {near!r}?"


def _how_to_give(parameter: click.Parameter, context: click.Context | None) -> str:
    if isinstance(parameter.type, click.Choice):
        return f"give {_name(parameter)} and one of {', '.join(parameter.type.choices)}"
    if context is None:
        return _help(context)
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    return f"usage: {usage}; {_help(context)}"


def _help(context: click.Context | None) -> str:
    command = "ssmi-cli" if context is None else context.command_path
    return f"{command} --help lists what it takes"


def _plain(message: str) -> str:
    """A sentence of click's as part of a line: no capital at its beginning, no full stop."""
    return f"{message[:1].lower()}{message[1:]}".rstrip(".")
