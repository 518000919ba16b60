"""The command ``metamers``.

``metamers add MODEL`` adds a model to the user's registry and prints the next commands. ``metamers check-entry`` checks
an entry of a shared leaderboard, and ``metamers leaderboard-site`` makes the leaderboard's site.
"""

import argparse
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from metamers.config.model_lock import lock_path
from metamers.config.pretrained import check_library
from metamers.config.stages import NoClassScoresError
from metamers.config.vocabularies import VOCABULARIES
from metamers.leaderboard.texts import printable
from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError
from metamers.plan.add_model import (
    EXAMPLES,
    add_model,
    check_run_file,
    default_weights,
    entry_text,
    modality_of,
    run_name,
    run_text,
    source_of,
    weights_of,
    write_run,
)
from metamers.repository import ROOT


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
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
    add.add_argument(
        "--modality",
        choices=[*MODALITIES],
        help="vision by default; audio for networks of torchaudio, that of the network for transformers",
    )
    add.add_argument(
        "--weights",
        help="pretrained (default), builder (default for FILE.py:FUNCTION: the function loads them), random (default "
        "for a model type of transformers), or a file",
    )
    add.add_argument(
        "--input", help="what the network takes, as in the registry, such as '{size: 224, mean: [0, 0, 0], …}'"
    )
    add.add_argument(
        "--classes",
        choices=["yes", "no"],
        help="whether the network gives class scores (found out by default)",
    )
    add.add_argument(
        "--vocabulary",
        help=f"what the class indices mean: {', '.join(VOCABULARIES)}, or a table with the columns class_index and "
        "category (by default, what the publisher of the weights states)",
    )
    add.add_argument(
        "--output", help="the part of the network's output that is used: a key, a position, or a list, such as logits"
    )
    add.add_argument(
        "--readout",
        help="linear, or a mapping as in the registry: a readout by which a network without classes recognizes",
    )
    add.add_argument(
        "--run",
        default="mine/run.yaml",
        type=Path,
        help="configuration of a first run, written if it is missing (%(default)s)",
    )
    check = commands.add_parser(
        "check-entry",
        help="check an entry of a shared leaderboard",
        description="Check files that `snakemake leaderboard_entries` wrote. The exit status is 1 after a fault.",
    )
    check.add_argument("entry", nargs="*", type=Path, help="file of an entry; none with --changed-since")
    check.add_argument("--among", type=Path, help="folder of the leaderboard's entries, for duplicates")
    check.add_argument(
        "--run", type=Path, help="folder of the run that the entry comes from, for its fingerprints and values"
    )
    check.add_argument(
        "--changed-since",
        metavar="COMMIT",
        help="check the one entry in --among that is new since COMMIT, such as main; other changes are a fault",
    )
    site = commands.add_parser(
        "leaderboard-site",
        help="make the site of a shared leaderboard",
        description="Make a static site of the published models and of the entries in a folder.",
    )
    site.add_argument("entries", type=Path, help="folder of the entries")
    site.add_argument("site", type=Path, help="folder of the site, missing or empty")
    site.add_argument("--board", type=Path, required=True, help="comparison/leaderboard.nc of a run")
    site.add_argument("--repository", help="address of the repository that takes pull requests, for a link")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises
    ------
    SystemExit
        With a message when the model cannot be added, an entry has a fault, or the site cannot be made.
    """
    arguments = arguments_of(argv)
    run = {"add": add, "check-entry": check_entries, "leaderboard-site": make_leaderboard_site}[arguments.command]
    # SIGTERM ends the command like Ctrl-C, so that a registry is as it was.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run(arguments)
    except (ValueError, OSError) as error:
        sys.exit(f"metamers {arguments.command}: {error}")
    finally:
        signal.signal(signal.SIGTERM, before)


def add(arguments: argparse.Namespace) -> None:
    """Add a model to a registry, and print the next commands."""
    proposed, source = source_of(arguments.model)
    name, registry, run = arguments.name or proposed, arguments.registry, arguments.run
    check_library(name, source)
    weights = weights_of(arguments.weights or default_weights(source))
    lock, modality = lock_path(registry), arguments.modality or modality_of(source)
    check_run_file(run, registry)
    text = partial(
        *(entry_text, name, source, weights, modality, str(lock), arguments.input),
        output=arguments.output,
        readout=arguments.readout,
        vocabulary=arguments.vocabulary,
    )
    classes = {"yes": True, "no": False, None: None}[arguments.classes]
    reason = ""
    try:
        plan = add_model(name, text(classes=classes), registry, run)
    except NoClassScoresError as error:
        reason = str(error).splitlines()[0].removeprefix(f"models: {name}: ")
        plan = add_model(name, text(classes=False), registry, run)
    model = plan.models[name]
    print(f"Added {name} to {registry}.")
    if not model.has_classes:
        print("It is a model without classes: recognition models and participants recognize its metamers.")
        if model.readout is not None:
            print("With its readout, it can be in recognition_models, too.")
    elif model.traced.scores:
        print(f"It gives {model.traced.scores['number']} class scores. If they are features, add it with --classes no.")
    if reason:
        print(f"Reason: {reason}. To change this, use --output or --classes yes.")
    for problem in model.traced.problems:
        print(problem)
    print(f"Stages (auto, kept in {lock}): {', '.join(model.stages)}")
    try:
        written = write_run(run, run_text(name, str(registry), modality, run_name(run)))
    except OSError as error:
        raise ConfigurationError(
            f"--run {run}: cannot be written ({error.strerror}). {name} was added to {registry}; name it in a "
            "configuration of your own"
        ) from error
    if written:
        print(f"Wrote {run}, a first run with this model.")
    else:
        print(f"For {run}: add {name} to generation_models, and {registry} to registry.models if it is not there.")
    snakemake, file = _snakemake(), shlex.quote(str(run))
    print("\nNext:")
    print(f"  {snakemake} --cores 1 model_card --configfile {file} --config model={shlex.quote(name)}")
    print(f"  {snakemake} --cores 2 leaderboard --configfile {file}")


def check_entries(arguments: argparse.Namespace) -> None:
    """Check entries of a shared leaderboard, and print what was checked.

    Raises
    ------
    ValueError
        When anything is wrong: names every fault.
    """
    from metamers.leaderboard.check_entry import added_entry, check_entry, run_faults
    from metamers.leaderboard.entry import read_published

    paths = list(arguments.entry)
    if arguments.changed_since:
        if paths or not arguments.among:
            raise ValueError("--changed-since: wanted with --among FOLDER, and without names of files")
        paths = [added_entry(arguments.changed_since, arguments.among)]
    if not paths:
        raise ValueError("found no file to check; wanted its name, or --changed-since COMMIT --among FOLDER")
    published, faults = read_published(), []
    for path in paths:
        entry, entry_faults = check_entry(path, arguments.among, published)
        if entry is not None and not entry_faults and arguments.run:
            differing, unchecked = run_faults(entry, arguments.run, published)
            entry_faults = [f"{printable(path)}: {fault}" for fault in differing]
            for name in unchecked:
                print(f"{printable(path)}: not compared, because it is not on this machine: {printable(name)}")
        faults += entry_faults
        if not entry_faults:
            print(f"{printable(path)}: no fault was found")
    if faults:
        raise ValueError("\n".join([f"{len(faults)} found:", *faults]))


def make_leaderboard_site(arguments: argparse.Namespace) -> None:
    """Make the site of a shared leaderboard.

    Raises
    ------
    ValueError, OSError
        When an entry has a fault, a file cannot be read, or the folder of the site is not empty.
    """
    from metamers.leaderboard.check_entry import read_entries, without_duplicates
    from metamers.leaderboard.entry import read_published
    from metamers.report.leaderboard_site import write_site
    from metamers.run import files

    published = read_published()
    entries, left_out = without_duplicates(read_entries(arguments.entries, published))
    for line in left_out:
        print(f"Left out: {line}", file=sys.stderr)
    paths = {name: arguments.entries / name for name in entries}
    board = files.load(arguments.board)
    number = write_site(arguments.site, entries, paths, board, published, arguments.repository)
    print(f"Wrote {arguments.site / 'index.html'}: {number} pages, {len(entries)} entries.")


def _snakemake() -> str:
    """The command that starts Snakemake with this workflow from the working directory."""
    program = _program("snakemake")
    if Path.cwd() == ROOT.resolve():
        return program
    # Beside this Snakefile, Snakemake also finds the profile of the workflow.
    return f"{program} --snakefile {_typed(ROOT / 'workflow' / 'Snakefile')}"


def _program(name: str) -> str:
    """The command that starts a program of this environment from the working directory."""
    path = Path(sys.executable).with_name(name)
    if not path.exists() or ((program := shutil.which(name)) is not None and Path(program) == path):
        return name
    return _typed(path)


def _typed(path: Path) -> str:
    """A path as it is typed in the working directory."""
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


if __name__ == "__main__":
    main()
