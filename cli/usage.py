"""Errors in a command line, reported like every other error: what is wrong, and what to do next."""

from __future__ import annotations

import re

import click

from ssmi.cli.completion import values_by_parameter
from ssmi.pipeline.contract.errors import ParameterError, closest_name, name_hint

_VALUE = re.compile(r"""^(['"])(?P<value>.*?)\1""")
"""The value that click quotes at the start of its message about an invalid choice."""


class CommandGroup(click.Group):
    """A group that answers an unknown command with the nearest name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises ParameterError if there is no command of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):  # an option where a command belongs; click's error names it
                raise
            raise ParameterError(
                f"{ctx.command_path}: no command {args[0]!r}", next_step=name_hint(args[0], self.list_commands(ctx))
            ) from None


def as_parameter_error(error: click.ClickException) -> ParameterError:
    """Convert an error that click found in a command line to this program's form."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        return ParameterError(f"no option {error.option_name}", next_step=_nearest_option(error.option_name, context))
    # Before BadParameter, its base class.
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return ParameterError(f"{_name(error.param)} is missing", next_step=_how_to_give(error.param, context))
    if isinstance(error, click.BadParameter):
        name = f"{_name(error.param)}: " if error.param is not None else ""
        return ParameterError(f"{name}{_plain(error.message)}", next_step=_nearest_choice(error) or _help(context))
    return ParameterError(_plain(error.format_message()), next_step=_help(context))


def _name(parameter: click.Parameter) -> str:
    """The name of a parameter as typed: ``--split``, ``FILES``."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.human_readable_name


def _nearest_option(name: str, context: click.Context | None) -> str:
    # get_params rather than params, because it includes --help.
    parameters = [] if context is None else context.command.get_params(context)
    # Without the dashes, which would make any two options similar.
    options = {option.lstrip("-"): option for one in parameters for option in (*one.opts, *one.secondary_opts)}
    near = closest_name(name.lstrip("-"), options)
    if near is not None:
        return f"did you mean {options[near]}?"
    # An option that other trainers have, such as `--epochs 3`: here parameters are set with -S.
    meant = name.lstrip("-").replace("-", "_")
    if "overrides" in {one.name for one in parameters}:
        keys = [key for key in values_by_parameter() if meant in (key, key.rpartition(".")[2])]
        if not keys and (close := closest_name(meant, (key.rpartition(".")[2] for key in values_by_parameter()))):
            keys = [key for key in values_by_parameter() if key.rpartition(".")[2] == close]
        if keys:
            return f"set a parameter with -S: {' or '.join(f'-S {key}=VALUE' for key in keys)}"
        return f"{_help(context)}; parameters are set with -S SECTION.KEY=VALUE, and ssmi-cli params lists them"
    return _help(context)


def _nearest_choice(error: click.BadParameter) -> str:
    """Next step with the choice nearest to the given value; empty if the parameter has no choices."""
    kind = error.param.type if error.param is not None else None
    if not isinstance(kind, click.Choice):
        return ""
    given = _VALUE.match(error.message)
    near = closest_name(given["value"], kind.choices) if given else None
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
    """One of click's sentences as part of a line: without initial capital and full stop."""
    return f"{message[:1].lower()}{message[1:]}".rstrip(".")
