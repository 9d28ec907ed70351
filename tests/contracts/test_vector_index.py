"""The contracts of indexes, held by the exact scan, by one in memory, and by Chroma in a folder and on a server."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from agentmem.archival.index.cache import LRUCache
from agentmem.archival.index.chroma import ChromaFolder, ChromaServer
from agentmem.archival.index.scan import ScanIndex
from agentmem.testing import InMemoryIndex
from agentmem.testing.contracts import IndexBackendContract, VectorIndexContract


class TestScan(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(LRUCache(2**20)))


class TestScanThatKeepsNothing(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(LRUCache(0)))


class TestInMemory(IndexBackendContract):
    def backend(self, _folder):
        return InMemoryIndex()


class TestChromaInAFolder(IndexBackendContract):
    def backend(self, folder):
        return ChromaFolder(folder / "index")


class TestChromaOnAServer(IndexBackendContract):
    @pytest.fixture(autouse=True)
    def _server(self, chroma_url):
        self.url = chroma_url

    def backend(self, _folder):
        return ChromaServer(self.url)
