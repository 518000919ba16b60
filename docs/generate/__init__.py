"""Generated pages of the documentation: from schemas, rules, docstrings and other Markdown files.

The functions take text and return Markdown or HTML; ``docs/hooks.py`` passes the pages to MkDocs.
"""
