"""What is optional, and is not there."""

from __future__ import annotations


class Missing(Exception):
    """A package or a weights file; the message says which. Its rows are left out."""
