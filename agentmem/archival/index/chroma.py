"""Chroma as a backend: the one file that imports chromadb, and the one place its errors are translated.

Chroma holds ids, vectors and the opaque id of each line's scope; no text.
Scopes are spread over a fixed number of collections, because the cost of a
filtered query grows with the collection and not with the scope.
"""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import numpy as np

from agentmem import private, telemetry
from agentmem.archival.index.location import LocalFolder, RemoteServer
from agentmem.archival.index.protocol import IndexFailedError
from agentmem.archival.index.segments import Segments
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from chromadb import Collection
    from chromadb.api import ClientAPI
    from chromadb.api.client import Client
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

    from agentmem.archival.index.protocol import LineChange
    from agentmem.embedding import Vectors
    from agentmem.models import Engine
    from agentmem.tables import SearchIndexRow

_SHARDS: Final = 32
_PAGE: Final = 1_000
# With Chroma's own 100 and 100, a third of 260 lines that are all equally far from each other are never proposed.
_HNSW: Final[CreateHNSWConfiguration] = {"space": "cosine", "ef_construction": 500, "ef_search": 500}
_EMBEDDED: Final = "chromadb.api.rust.RustBindingsAPI"
_log = logging.getLogger(__name__)


class ChromaFolder(LocalFolder):
    """A Chroma in a folder of its own, one for each generation.

    Args:
        path: The folder; made when it is needed.
    """

    name: Engine = "chroma"
    title: str = "Chroma"

    def open(self, row: SearchIndexRow, *, read_only: bool = False) -> ChromaVectors:  # noqa: ARG002 - the folders tell
        """See `IndexBackend`."""
        return ChromaVectors(self.generation(row.generation), _prefix(row))


class ChromaServer(RemoteServer):
    """A Chroma server.

    Args:
        url: `http://host:port`.

    Raises:
        InvalidInputError: Not the URL of a server.
    """

    name: Engine = "chroma"
    title: str = "Chroma"

    def __init__(self, url: str) -> None:
        address(url)
        super().__init__(url)

    @contextmanager
    def held(self) -> Generator[None]:
        """See that the server answers."""
        ChromaVectors(self.url, "").close()
        yield

    def open(self, row: SearchIndexRow, *, read_only: bool = False) -> ChromaVectors:
        """See `IndexBackend`."""
        opened = ChromaVectors(self.url, _prefix(row))
        if not read_only:
            opened.drop_others(_family(row))
        return opened


class ChromaVectors:
    """The collections of one generation of one index.

    Not safe to share between threads, and any call may hang: its owner calls it
    from one thread and with a deadline.

    Args:
        location: A folder, or the URL of a server.
        prefix: What the names of the collections begin with.

    Raises:
        IndexFailedError: Chroma cannot be reached or opened.
    """

    def __init__(self, location: Path | str, prefix: str) -> None:
        self._prefix = prefix
        self._collections: dict[int, Collection] = {}
        self._folder = location if isinstance(location, Path) else None
        self._segments = None if self._folder is None else Segments(self._folder)
        with _translated():
            self._client = _client(location)
        self._keep_private()

    def apply(self, changes: Sequence[LineChange]) -> None:
        """Take changes over; the same ones again change nothing."""
        with _translated():
            at_once = self._client.get_max_batch_size()
            for shard, group in _sharded(changes).items():
                _write(self._make(shard), group, at_once)
            if self._segments is not None:
                self._segments.blank()
        self._keep_private()

    def nearest(self, block_id: str, vector: Vectors, limit: int) -> list[str] | None:
        """Return the keys of about the nearest vectors of one scope; fewer than `limit` when there are no more.

        None when nothing was ever put where the scope belongs.
        """
        with _translated():
            collection = self._find(_shard(block_id))
            if collection is None:
                return None
            return _of_all(collection, block_id, vector, limit) or _of_scope(collection, block_id, vector, limit)

    def stored(self) -> Generator[list[tuple[str, Vectors]]]:
        """Yield every key with its vector, page by page."""
        with _translated():
            for shard in range(_SHARDS):
                collection = self._find(shard)
                if collection is None:
                    continue
                keys = collection.get(include=[])["ids"]
                for start in range(0, len(keys), _PAGE):
                    page = collection.get(ids=keys[start : start + _PAGE], include=["embeddings"])
                    embeddings = page["embeddings"]
                    if embeddings is None or len(embeddings) != len(page["ids"]):
                        raise IndexFailedError("Chroma has ids without vectors")
                    rows = zip(page["ids"], embeddings, strict=True)
                    yield [(key, np.asarray(embedding, dtype=np.float32)) for key, embedding in rows]

    def drop_others(self, family: str) -> None:
        """Delete every collection whose name begins with `family`, these excepted."""
        with _translated():
            for collection in self._client.list_collections():
                if collection.name.startswith(family) and not collection.name.startswith(f"{self._prefix}-"):
                    self._client.delete_collection(collection.name)

    def close(self) -> None:
        """Let go of the files or the connection."""
        with _translated():
            _close_sessions(self._client)
            cast("Client", self._client).close()  # on the class, not on the interface that the constructors promise
        self._keep_private()

    def _keep_private(self) -> None:
        """Chroma makes its files as the umask has them; the folder that they are in is closed already."""
        if self._folder is not None:
            private.restrict_tree(self._folder)

    def _make(self, shard: int) -> Collection:
        if shard not in self._collections:
            self._collections[shard] = self._client.get_or_create_collection(
                self._name(shard), embedding_function=None, configuration={"hnsw": _HNSW}
            )
        return self._collections[shard]

    def _find(self, shard: int) -> Collection | None:
        from chromadb.errors import NotFoundError

        if shard not in self._collections:
            try:
                self._collections[shard] = self._client.get_collection(self._name(shard), embedding_function=None)
            except NotFoundError:
                return None
        return self._collections[shard]

    def _name(self, shard: int) -> str:
        return f"{self._prefix}-{shard:02}"


def address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted.

    Raises:
        InvalidInputError: Not the URL of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInputError("must be like http://127.0.0.1:8000", field="chroma_url")
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 8000), secure


def _family(row: SearchIndexRow) -> str:
    return f"agentmem-{row.id}-"


def _prefix(row: SearchIndexRow) -> str:
    return f"{_family(row)}{row.generation}"


def _client(location: Path | str) -> ClientAPI:
    telemetry.silence()  # its own embedding function loads onnxruntime
    import chromadb
    from chromadb.config import Settings

    if isinstance(location, Path):
        # an application's own Chroma variables and .env are about its Chroma, not about this folder
        own = cast("Any", Settings)(_env_file=None, anonymized_telemetry=False, chroma_api_impl=_EMBEDDED)
        return chromadb.PersistentClient(path=str(location), settings=own)
    host, port, secure = address(location)
    return chromadb.HttpClient(host=host, port=port, ssl=secure, settings=Settings(anonymized_telemetry=False))


def _close_sessions(client: Any) -> None:  # noqa: ANN401 - private parts, which no type describes
    """Chroma's own `close` leaves the HTTP connections to a server open."""
    for holder in (client, getattr(client, "_admin_client", None)):
        session = getattr(getattr(holder, "_server", None), "_session", None)
        if session is not None:
            session.close()


def _write(collection: Collection, changes: Sequence[LineChange], at_once: int) -> None:
    live = [
        (key, vector, change.block_id)
        for change in changes
        if change.vectors is not None
        for key, vector in zip(change.keys, change.vectors, strict=True)
    ]
    gone = [key for change in changes if change.vectors is None for key in change.keys]
    # First what is gone: a line that moved to another scope is gone from one and live in the other.
    for start in range(0, len(gone), at_once):
        collection.delete(ids=gone[start : start + at_once])
    for start in range(0, len(live), at_once):
        some = live[start : start + at_once]
        collection.upsert(
            ids=[key for key, _, _ in some],
            embeddings=_embeddings([vector for _, vector, _ in some]),
            metadatas=[{"scope": block_id} for _, _, block_id in some],
        )


def _of_all(collection: Collection, block_id: str, vector: Vectors, limit: int) -> list[str]:
    """Return the nearest of one scope among twice as many of all, if they are enough.

    A condition takes Chroma twenty times as long, and a scope that is searched
    here is large: it often fills most of its collection.
    """
    found = collection.query(query_embeddings=_embeddings([vector]), n_results=2 * limit, include=["metadatas"])
    scopes = (found["metadatas"] or [[]])[0]
    own = [key for key, scope in zip(found["ids"][0], scopes, strict=True) if scope["scope"] == block_id]
    return own[:limit] if len(own) >= limit else []


def _of_scope(collection: Collection, block_id: str, vector: Vectors, limit: int) -> list[str]:
    found = collection.query(
        query_embeddings=_embeddings([vector]), n_results=limit, where={"scope": block_id}, include=[]
    )
    return found["ids"][0]


def _embeddings(vectors: list[Vectors]) -> Any:  # noqa: ANN401 - Chroma asks for arrays of a union of types
    return vectors


def _shard(block_id: str) -> int:
    return zlib.crc32(block_id.encode()) % _SHARDS


def _sharded(changes: Sequence[LineChange]) -> dict[int, list[LineChange]]:
    groups: defaultdict[int, list[LineChange]] = defaultdict(list)
    for change in changes:
        groups[_shard(change.block_id)].append(change)
    return groups


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (IndexFailedError, InvalidInputError):
        raise
    except Exception as error:
        _log.debug("Chroma failed", exc_info=True)
        raise IndexFailedError(f"Chroma failed with {type(error).__name__}") from error
