"""Embeddings for tests: deterministic, instant, and alike for texts that share words."""

from __future__ import annotations

import math
import re
import zlib

from langchain_core.embeddings import Embeddings


class HashingEmbeddings(Embeddings):
    """A bag of words hashed into a vector, the same in every process.

    Args:
        dimensions: The length of a vector.

    >>> one, same = HashingEmbeddings().embed_documents(["Likes tea", "likes TEA!"])
    >>> one == same
    True
    """

    def __init__(self, dimensions: int = 256) -> None:
        self.dimensions = dimensions
        self.model_name = f"hashing-{dimensions}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        vector = [0.0] * self.dimensions
        for word in re.findall(r"\w+", text.casefold()):
            vector[zlib.crc32(word.encode("utf-8", "surrogatepass")) % self.dimensions] += 1.0
        length = math.sqrt(sum(value * value for value in vector))
        return [value / length for value in vector] if length else vector
