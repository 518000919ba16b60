"""Pages of the documentation that are made of something else: of schemas, rules, docstrings and other Markdown files.

Text in, Markdown (or HTML) out; knows nothing of MkDocs, which ``docs/hooks.py`` gives these pages to.
"""
