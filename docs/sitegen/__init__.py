"""What `docs/build.py` makes pages of: the files of the checkout, the docstrings, the registers and the parsers.

Nothing here imports Sphinx, so that the tests read the generated tables without it.
"""
