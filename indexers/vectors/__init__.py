"""Vector engines behind one port (`port.py`); an engine is imported when it is opened."""

from __future__ import annotations

from pathlib import Path

from indexers.settings import IndexSettings
from indexers.vectors.port import VectorStore
from model_host.errors import InvalidInput, UnknownName

BACKENDS = ("edge", "server", "local")


async def open_store(
    settings: IndexSettings, folder: Path, collection: str, dimension: int
) -> VectorStore:
    """The engine that `settings.backend` names, over `folder` or `collection`.

    Raises UnknownName for another backend, InvalidInput for a server without a URL, StoreError
    when what is there is damaged, Unavailable when a server does not answer.
    """
    if settings.backend == "edge":
        from indexers.vectors.edge import EdgeStore

        return await EdgeStore.open(folder, dimension)
    if settings.backend not in BACKENDS:
        raise UnknownName.among("vector backend", settings.backend, BACKENDS)
    from indexers.vectors.client import ClientStore

    if settings.backend == "local":
        return await ClientStore.open_local(folder, collection, dimension)
    if not settings.qdrant_url:
        raise InvalidInput("The backend 'server' needs qdrant_url.", fix="Set it in the settings.")
    return await ClientStore.open_server(settings.qdrant_url, collection, dimension)
