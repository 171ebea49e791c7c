"""Grounding: pure code that decides what supports what. No model, no store, no I/O."""
