"""Measurements of the product: not part of a normal test run."""
