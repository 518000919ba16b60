"""Draw, test and compare mutations.

    python -m studies.mutations draw mutations.csv
    python -m studies.mutations run mutations.csv before.csv
    python -m studies.mutations run before.csv after.csv
    python -m studies.mutations compare before.csv after.csv

``run`` appends a row to its second table after each mutation; a second call continues. Of a table of results it takes
the mutations that were caught, and begins with the test that caught each. ``compare`` lists the mutations that are
caught in the first table only, and ends with status 1 if there are any.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from studies.mutations.draw import FIELDS, draw
from studies.mutations.run import ROOT, clone, compare, run, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, tables in {"draw": ["table"], "run": ["table", "results"], "compare": ["before", "after"]}.items():
        arguments = commands.add_parser(command)
        for table in tables:
            arguments.add_argument(table, type=Path)
        if command != "compare":
            arguments.add_argument("--commit", default="HEAD")
        if command == "draw":
            arguments.add_argument("--count", type=int, default=200)
            arguments.add_argument("--seed", type=int, default=54)
        if command == "run":
            arguments.add_argument("--tests", nargs="+", default=["tests"], help="files of tests and folders of them")
    options = parser.parse_args()
    if options.command == "compare":
        lost = compare(options.before, options.after)
        for row in lost:
            print("{path}:{line} ({scope}): {old} -> {new}; caught by {test}".format(**row))
        sys.exit(bool(lost))
    revision = ["git", "-C", ROOT, "rev-parse", options.commit]
    commit = subprocess.run(revision, check=True, capture_output=True, text=True).stdout.strip()
    if options.command == "draw":
        with clone(commit) as root:
            drawn = [asdict(mutation) for mutation in draw(root, options.count, options.seed)]
        write_rows(options.table, FIELDS, [{field: row[field] for field in FIELDS} for row in drawn])
    else:
        os.environ["OMP_NUM_THREADS"] = "1"
        run(options.table, options.results, commit, options.tests)


if __name__ == "__main__":
    main()
