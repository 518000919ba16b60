"""The runs and copies of the repository that tests of the workflow use."""

from tests.workflow.conftest import clone, finished, rerun  # noqa: F401
