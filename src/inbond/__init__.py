"""Inbond distils language models in bond.

Every teacher named, every term checked, every token accounted for.
"""

__version__ = "0.1.0"
