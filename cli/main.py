"""``ssmi-cli``: commands that are imported only when called, and the one place where errors become messages."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

import click

from ssmi.cli.failures import explain, explain_interrupt, print_failure
from ssmi.cli.options import storage_url
from ssmi.cli.session import Session
from ssmi.cli.terminal.closed import discard_output, has_reader
from ssmi.cli.usage import CommandGroup, as_parameter_error

# The summaries are repeated here, because reading them from a command would import its module.
COMMANDS = {
    "ablate": ("ssmi.cli.commands.ablate", "Train the paper's configurations over seeds; one table."),
    "compare": ("ssmi.cli.commands.compare", "Say whether one trained run is better than another."),
    "data": ("ssmi.cli.commands.data", "Data sets, vectors and encoders: list, fetch, check, convert."),
    "demo": ("ssmi.cli.commands.demo", "Run the whole path on the default data set and say what to try next."),
    "doctor": ("ssmi.cli.commands.doctor", "Say what is installed, found and missing."),
    "dvc": ("ssmi.cli.commands.dvc", "Write the stages of dvc.yaml."),
    "encoder": ("ssmi.cli.commands.encoder", "Adapt the encoder to a data set's own text."),
    "evaluate": ("ssmi.cli.commands.evaluate", "Score a trained run on a split."),
    "explain": ("ssmi.cli.commands.explain", "Show the boundaries nearest to a character in a segment."),
    "export": ("ssmi.cli.commands.export", "Pack a trained run into one folder for other machines."),
    "features": ("ssmi.cli.commands.features", "Build features: raw text to Parquet shards."),
    "init": ("ssmi.cli.commands.init", "Make a project folder for your own data."),
    "paper": ("ssmi.cli.commands.paper", "Make the paper's tables with any encoder; one page beside its figures."),
    "params": ("ssmi.cli.commands.params", "Explain the parameters: type, default, meaning, present value."),
    "predict": ("ssmi.cli.commands.predict", "Find the entities of any text."),
    "report": ("ssmi.cli.commands.report", "Write one page about a run: scores, and every error with its features."),
    "stats": ("ssmi.cli.commands.stats", "Query features: named reports or SQL."),
    "train": ("ssmi.cli.commands.train", "Train a tagger on the shards."),
    "verify": ("ssmi.cli.commands.verify", "Check that stages, runs and ablations below artifacts/ are unchanged."),
}
_STOPPING = ("SIGTERM", "SIGHUP")


class LazyGroup(CommandGroup):
    """A group that knows its commands by name and summary, and imports a command's module when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            # click turns None into a usage error, which CommandGroup answers with the nearest name.
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with params.yaml.  [default: the nearest upward from here]",
)
@click.option(
    "--storage",
    metavar="URL",
    envvar="SSMI_STORAGE",
    callback=storage_url,
    help="Keep the features in this storage too: s3://BUCKET/FOLDER, file:///FOLDER, or any URL that fsspec has a "
    "driver for.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")  # `main` reads it
@click.version_option(package_name="ssmi", prog_name="ssmi-cli")
@click.pass_context
def cli(ctx: click.Context, project: Path | None, storage: str | None) -> None:
    """Chinese named-entity recognition with a lexicon: build features once, query them, train, compare.

    Exit codes: 0 done; 1 failed; 2 wrong usage or parameters; 3 bad input data; 4 something is missing;
    5 artifacts that do not belong together; 130 interrupted.
    """
    ctx.obj = Session(project_option=project, storage=storage)


def main() -> None:
    """Run the command line; every failure becomes one clear line and a documented exit code."""
    # Read from the arguments: once cli.main has raised, the context that holds the option is gone.
    debug = "--debug" in sys.argv
    _install_signal_handlers()
    # setdefault keeps values from the environment. Commands import the libraries that read these only later.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Waiting threads sleep instead of spinning: on a shared machine, spinning made a step several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        # prog_name, because click would use `python -m ...` when started that way.
        code = cli.main(prog_name="ssmi-cli", standalone_mode=False)
        sys.stdout.flush()  # here, where a failure can still be reported
    # click turns a KeyboardInterrupt that leaves a command into Abort.
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        _restore_default_signals()
        sys.exit(explain_interrupt(error))
    # Before ClickException, its base class: a group called without a command shows its help.
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        sys.exit(explain(as_parameter_error(error)))
    except (SystemExit, BrokenPipeError):
        # Outside standalone mode, click exits this way only for a broken pipe. If the pipe is stdout and its reader has
        # gone (`| head`), nothing is wrong.
        if not has_reader(sys.stdout):
            discard_output(sys.stdout)
            sys.exit(0)
        sys.exit(print_failure("error: a helper process ended unexpectedly\n  next: run the same command again", 1))
    except Exception as error:
        discard_output(sys.stdout)
        if debug:
            raise
        sys.exit(explain(error))
    # Outside standalone mode, click returns the code of context.exit, otherwise the command's return value.
    sys.exit(code if isinstance(code, int) else 0)


def _install_signal_handlers() -> None:
    """Make SIGTERM (a stopped container or batch job) and SIGHUP (a closed terminal) clean up as Ctrl-C does."""
    for name in _STOPPING:
        number = getattr(signal, name, None)  # Windows lacks SIGHUP
        # An ignored SIGHUP (nohup) stays ignored; SIGTERM stops a container's first process only through a handler.
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, signal.default_int_handler)


def _restore_default_signals() -> None:
    """Restore the default actions, so that the next signal ends the process at once."""
    for name in ("SIGINT", *_STOPPING):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
