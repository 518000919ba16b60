"""Model metamers: synthesis, recognition by models, and comparison with people.

Arrays and Datasets in, arrays and Datasets out. What to run in which order, and where files lie, is the workflow's
business (``workflow/``); the library knows nothing of it.
"""
