# Your own embeddings: anything that is a LangChain Embeddings. This one compares letters, so it forgives typing errors.

from __future__ import annotations

import tempfile
import zlib

from langchain_core.embeddings import Embeddings

import agentmem
from agentmem import InvalidInputError


class LetterGroups(Embeddings):
    """Counts the groups of three letters in a text."""

    model_name = "letter-groups"  # what the store notes down; without it, the name of the class

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * 512
        padded = f"  {text.casefold()}  "
        for start in range(len(padded) - 2):
            vector[zlib.crc32(padded[start : start + 3].encode()) % len(vector)] += 1
        return vector


with tempfile.TemporaryDirectory() as folder:
    with agentmem.open(folder, embeddings=LetterGroups()) as mem:
        memory = mem.client(user_id="ada").memory
        memory.remember(["Mr Szymborski is our landlord", "The dentist is in Grünerløkka", "The dog is called Tom"])
        for query in ("who is Simborsky", "Grunerlokka dentists"):
            # No word of these is in a line, so half of the similarity is all there is: below the usual floor of 0.25.
            print(f"{query}: {memory.recall(query, limit=1, min_score=0.1)[0].content}")
        print("The vectors were made with:", mem.check().embedder)

    # Vectors of two models cannot be compared, so another model is refused until all vectors are made anew.
    with agentmem.open(folder) as mem:
        memory = mem.client(user_id="ada").memory
        try:
            memory.recall("What is my pet's name?")
        except InvalidInputError as error:
            print(f"\nWith the default model: {error}")
        mem.reindex(embed=True)
        print("\nWhat is my pet's name?", memory.recall("What is my pet's name?")[0].content)
        print("The vectors were made with:", mem.check().embedder)
