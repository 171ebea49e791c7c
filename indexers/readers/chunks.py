"""Documents into Drafts: LlamaIndex Documents (a page or a section each) cut into small chunks.

A chunk ends with a sentence; only a sentence longer than the limit is cut. Token counts are an
estimate of our own (a token for every four characters of a word), so no tokenizer data is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from indexers.readers.draft import Draft
from indexers.readers.sentences import sentences
from indexers.script import script_language

if TYPE_CHECKING:
    from llama_index.core.schema import Document

_TOKEN = re.compile(r"\S{1,4}")
_SAME_SCRIPT = (
    {"hi", "mr", "kok", "ne", "sa"},
    {"bn", "as"},
    {"en", "es", "fr", "de", "it", "pt", "nl", "id"},
)
_PARAGRAPH = re.compile(r"\n\s*\n")


def drafts(
    documents: Iterable[Document], chunk_tokens: int, language: str | None
) -> Iterator[Draft]:
    """Text Drafts in order. Metadata that counts: `page`, `section`, `at_us`, `at_end_us`. A chunk
    is in `language` when that fits its script."""
    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(
        chunk_size=chunk_tokens,
        chunk_overlap=0,
        tokenizer=_TOKEN.findall,
        chunking_tokenizer_fn=sentences,
        paragraph_separator="\n\n",
        include_metadata=False,
    )
    for document in documents:
        meta = document.metadata
        for chunk in splitter.split_text(document.text):
            text = _PARAGRAPH.sub("\n", chunk).strip()
            if not any(char.isalnum() for char in text):
                continue
            yield Draft(
                modality="text",
                text=text,
                page=meta.get("page"),
                section=meta.get("section"),
                at_us=meta.get("at_us"),
                at_end_us=meta.get("at_end_us"),
                language=chunk_language(text, language),
            )


def chunk_language(text: str, hint: str | None) -> str | None:
    """The language of the script, refined by what the caller says (Marathi, not Hindi)."""
    guess = script_language(text)
    if hint is None or guess is None or guess == hint:
        return guess
    return hint if any(guess in group and hint in group for group in _SAME_SCRIPT) else guess
