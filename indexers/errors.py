"""Errors of the indexers (the base and the wire form are model_host's).

SutradharError
├── InvalidInput
│   ├── UnknownCorpus
│   ├── DuplicateSource     two files with one name and different content
│   └── UnsupportedFile     no reader for it
└── Unavailable
    └── Busy
        └── CorpusBusy      another process owns the corpus
"""

from __future__ import annotations

from model_host.errors import Busy, InvalidInput, UnknownName


class UnknownCorpus(UnknownName):
    code = "unknown_corpus"


class DuplicateSource(InvalidInput):
    code = "duplicate_source"


class UnsupportedFile(InvalidInput):
    code = "unsupported_file"


class CorpusBusy(Busy):
    """`detail` names the holder's process id and command."""

    code = "corpus_busy"
