"""Settings of the graphs: frozen, passed in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GraphSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    retrieve_k: int = Field(24, ge=1, le=200)  # Moments fetched and judged for a question
    draft: bool = True  # let the chat model phrase the answer; its text must pass the checks
    draft_tokens: int = Field(80, ge=8)
