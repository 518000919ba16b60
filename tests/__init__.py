"""Tests, in the same folders as the library (``src/metamers``), the rules (``workflow``) and the documentation."""
