"""Files with variables of any step, for tests of what reads them."""

from metamers.plan.steps import declared_files
from metamers.run.declared import RunFile, Variable

# A file may have every variable that a step declares.
OF_ANY_STEP = RunFile(
    "any.nc",
    {
        name.removesuffix("?"): one
        for file in declared_files().values()
        for name, one in file.variables.items()
        if isinstance(one, Variable)
    },
)
