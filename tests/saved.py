"""Files with variables of any step, for tests of what reads them."""

from metamers.plan.steps import declared_files
from metamers.run.declared import RunFile

MEANINGS = {name: meaning for file in declared_files().values() for name, meaning in file.described.items()}
# A file may have every variable that a step declares.
OF_ANY_STEP = RunFile("any.nc", {"": ", ".join(MEANINGS)}, meanings=MEANINGS)
