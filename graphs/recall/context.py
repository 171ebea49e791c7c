"""What a run of recall is told besides the question."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Context(BaseModel):
    model_config = ConfigDict(frozen=True)

    corpus: str = Field("default", description="The corpus to answer from.")
    language: str | None = Field(None, description="Language of the answer; None: the question's.")
    chat_model: str | None = Field(None, description="Card that phrases the answer.")
    draft: bool | None = Field(None, description="Let the chat model phrase it; None: settings.")
