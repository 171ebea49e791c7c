"""Engines: the code that loads and runs a family of models. Imported by workers alone."""
