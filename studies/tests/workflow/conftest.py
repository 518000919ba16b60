"""The runs and copies of the repository that tests of the workflow use."""

from tests.workflow.conftest import clone, finished, made_once, rerun  # noqa: F401
