"""Embeddings whose similarities are exact in binary, so that an oracle in plain Python agrees to the last bit."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

DIMENSIONS = 16
WORDS = [f"w{number}" for number in range(DIMENSIONS)]


class ExactEmbeddings(Embeddings):
    """1, 4 or 16 words of `WORDS`, each with the same share: every vector has length 1, and every product is a multiple
    of 1/16. `-w3` points the other way; no known word, a zero vector.
    """

    model_name = "exact-16"

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        if text.startswith("The quick brown fox"):
            return [0.25] * DIMENSIONS
        words = [word for word in text.split() if word.lstrip("-") in WORDS]
        share = {0: 0.0, 1: 1.0, 4: 0.5, 16: 0.25}[len(words)]
        vector = [0.0] * DIMENSIONS
        for word in words:
            vector[WORDS.index(word.lstrip("-"))] = -share if word.startswith("-") else share
        return vector


def cosine(one, other):
    embed = ExactEmbeddings().embed_query
    return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))
