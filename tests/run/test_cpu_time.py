"""Imports are counted once: what a process has imported already takes no time that is worth counting."""

import subprocess
import sys

COUNTED = """
from metamers.run import cpu_time

cpu_time.count_imports()
before = cpu_time.seconds["imports"]
import os
from os import path
from metamers.run import cpu_time
assert cpu_time.seconds["imports"] == before
import decimal
from xml.dom import minidom
from os import *
assert decimal.Decimal(1) == 1 and minidom.parseString("<a/>")
assert cpu_time.seconds["imports"] > before
cpu_time._counted_import("csv", globals())
assert cpu_time._counted_import("os.path", globals(), locals(), ("join",)).join is path.join
try:
    from os import no_such_name
except ImportError:
    print("as usual")
"""


def test_only_new_imports_are_counted_and_all_do_as_usual():
    ran = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "as usual\n"), ran.stderr
