"""The contract of `VectorIndex`, held by the exact scan, and by Chroma in a folder and on a server."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import pytest

from agentmem.archival.index.cache import LRUCache
from agentmem.archival.index.location import LocalFolder, RemoteServer
from agentmem.archival.index.projection import ChromaIndex
from agentmem.archival.index.protocol import key
from agentmem.archival.index.scan import ScanIndex
from agentmem.testing.contracts import VectorIndexContract


class TestScan(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(LRUCache(2**20)))


class TestScanThatKeepsNothing(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(LRUCache(0)))


class ChromaContract(VectorIndexContract):
    """What can be seen of an index that keeps vectors of its own."""

    def test_it_holds_every_chunk_of_a_line_under_a_key_and_none_of_a_forgotten_one(self, tmp_path):
        with self.opened(tmp_path) as store:
            one, other, short = store.remember("tea rye oats milk", "Tom Acme Oslo dog March tea", "tea")
            store.search("tea")
            chunks = {line.id: len(store.embedder.embed_lines([line.content])[0]) for line in (one, other, short)}
            assert chunks[other.id] > chunks[one.id] > chunks[short.id] == 1
            store.forget(other)
            store.search("tea")
            held = sorted(name for name, _ in store.index.stored())
            assert held == sorted([*(key(one.id, chunk) for chunk in range(chunks[one.id])), short.id])
            store.rewrite("")
            assert store.search("tea") == []
            assert list(store.index.stored()) == []


class TestChromaInAFolder(ChromaContract):
    @contextmanager
    def open_index(self, database, folder):
        index = ChromaIndex(database, LocalFolder(folder / "index"), batch=1_000, timeout=60)
        yield index
        index.close()


class TestChromaOnAServer(ChromaContract):
    @pytest.fixture(autouse=True)
    def _server(self, chroma_url):
        self.url = chroma_url

    @contextmanager
    def open_index(self, database, _folder):
        index = ChromaIndex(database, RemoteServer(self.url), batch=1_000, timeout=60)
        yield index
        index.close()
