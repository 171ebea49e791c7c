"""Reads pictures and sound out of media files. Blocking code: call it on a thread."""
