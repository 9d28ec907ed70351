"""The contract of `VectorIndex`, held by the exact scan, and by Chroma in a folder and on a server."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import pytest

from agentmem.archival.chroma_index import ChromaIndex
from agentmem.archival.place import Folder, Server
from agentmem.archival.scan import ScanIndex
from agentmem.testing.contracts import VectorIndexContract


class TestScan(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(max_bytes=2**20))


class TestScanThatKeepsNothing(VectorIndexContract):
    def open_index(self, *_):
        return nullcontext(ScanIndex(max_bytes=0))


class TestChromaInAFolder(VectorIndexContract):
    @contextmanager
    def open_index(self, database, folder):
        index = ChromaIndex(database, Folder(folder / "index"), batch=1_000, timeout=60)
        yield index
        index.close()


class TestChromaOnAServer(VectorIndexContract):
    @pytest.fixture(autouse=True)
    def _server(self, chroma_url):
        self.url = chroma_url

    @contextmanager
    def open_index(self, database, _folder):
        index = ChromaIndex(database, Server(self.url), batch=1_000, timeout=60)
        yield index
        index.close()
