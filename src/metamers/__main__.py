"""The command ``metamers``: ``metamers add MODEL`` adds a model to the user's registry and prints the next commands."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from metamers.config.add_model import (
    EXAMPLES,
    add_model,
    check_run_file,
    entry_text,
    run_name,
    run_text,
    source_of,
    weights_of,
    write_run,
)
from metamers.config.model_lock import lock_path
from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError


def arguments_of(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="metamers", description="Model metamers of neural networks.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser(
        "add",
        help="add a model to your registry",
        description="Add a model to your registry of models, check it, and say what to do next.",
    )
    add.add_argument("model", help=f"{EXAMPLES}, or FILE.py:FUNCTION, a function of yours that returns the network")
    add.add_argument("--name", help="name in the registry (default: that of the network)")
    add.add_argument("--registry", default="mine/models.yaml", type=Path, help="file that gets the entry (%(default)s)")
    add.add_argument("--modality", default="vision", choices=[*MODALITIES], help="%(default)s by default")
    add.add_argument(
        "--weights",
        help="pretrained (default), builder (default for FILE.py:FUNCTION: the function loads them), random, or a file",
    )
    add.add_argument(
        "--input", help="what the network takes, as in the registry, such as '{size: 224, mean: [0, 0, 0], …}'"
    )
    add.add_argument(
        "--run",
        default="mine/run.yaml",
        type=Path,
        help="configuration of a first run, written if it is missing (%(default)s)",
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises
    ------
    SystemExit
        With a message when the model cannot be added.
    """
    arguments = arguments_of(given)
    try:
        add(arguments)
    except (ConfigurationError, OSError) as error:
        sys.exit(f"metamers add: {error}")


def add(arguments: argparse.Namespace) -> None:
    """Add a model to a registry, and print the next commands."""
    proposed, source = source_of(arguments.model)
    name, registry, run = arguments.name or proposed, arguments.registry, arguments.run
    weights = weights_of(arguments.weights or ("builder" if "python" in source else "pretrained"))
    lock = lock_path(registry)
    check_run_file(run, registry)
    text = entry_text(name, source, weights, arguments.modality, str(lock), arguments.input)
    plan = add_model(name, text, registry)
    print(f"Added {name} to {registry}.")
    print(f"Stages (auto, kept in {lock}): {', '.join(plan.models[name].stages)}")
    try:
        written = write_run(run, run_text(name, str(registry), arguments.modality, run_name(run)))
    except OSError as error:
        raise ConfigurationError(
            f"--run {run}: cannot be written ({error.strerror}). {name} was added to {registry}; name it in a "
            "configuration of your own"
        ) from error
    if written:
        print(f"Wrote {run}, a first run with this model.")
    else:
        print(f"For {run}: add {name} to generation_models, and {registry} to registry.models if it is not there.")
    snakemake, file = _program("snakemake"), shlex.quote(str(run))
    print("\nNext:")
    print(f"  {snakemake} --cores 1 model_card --configfile {file} --config model={shlex.quote(name)}")
    print(f"  {snakemake} --cores 2 leaderboard --configfile {file}")


def _program(name: str) -> str:
    """The command that starts a program of this environment from the working directory."""
    path = Path(sys.executable).with_name(name)
    if not path.exists() or ((found := shutil.which(name)) is not None and Path(found) == path):
        return name
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


if __name__ == "__main__":
    main()
