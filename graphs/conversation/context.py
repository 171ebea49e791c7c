"""What a turn of a conversation is told besides the message."""

from __future__ import annotations

from pydantic import Field

from graphs.recall.context import Context as RecallContext


class Context(RecallContext):
    voice: str | None = Field(None, description="Voice of the spoken answer.")
    speech_model: str | None = Field(None, description="Card that speaks.")
    transcribe_model: str | None = Field(None, description="Card that listens.")
