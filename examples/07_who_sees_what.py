# Tenants, users and agents: who sees what. Nothing crosses a tenant or a user; agents share the user's own memory.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import AgentMem


def show(mem: AgentMem, user_id: str, agent_id: str | None) -> None:
    memory = mem.client(user_id=user_id).memory
    # With an agent, a recall searches the agent's lines and the user's; without one, the user's only. No floor here, so
    # that nothing hides a line but the rules of who sees what.
    seen = [match.content for match in memory.recall("How to contact her?", agent_id=agent_id, min_score=0)]
    agent = f"with the agent {agent_id}" if agent_id else "with no agent"
    print(f"{mem.tenant_id}, {user_id}, {agent}:")
    print("".join(f"  {content}\n" for content in sorted(seen)) or "  nothing\n", end="")


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, tenant_id="acme") as acme:
    globex = acme.tenant("globex")  # the same store, another account

    ada = acme.client(user_id="ada").memory
    ada.remember("Ada likes to be contacted by e-mail")
    ada.remember("Ada likes to be contacted by the sales team on Fridays", agent_id="sales")
    ada.remember("Ada likes to be contacted about bugs at any time", agent_id="support")
    # The same user id in another tenant is another person.
    globex.client(user_id="ada").memory.remember("Ada likes to be contacted by post")

    show(acme, "ada", None)
    show(acme, "ada", "sales")
    show(acme, "ada", "support")
    show(acme, "jonas", "sales")
    show(globex, "ada", "sales")

    print("\nAll there is of Ada at Acme:")
    for block in ada.list(scope="all"):
        print(f"  {block.agent_id or 'shared'}: {block.content}")
