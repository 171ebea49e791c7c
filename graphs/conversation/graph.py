"""conversation as a graph: listen → decide → recall or reply → speak."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs.conversation.context import Context
from graphs.conversation.nodes import decide, listen, recall, reply, route, speak, wants_speech
from graphs.conversation.state import InputState, State


def build_graph() -> StateGraph[State, Context, InputState, State]:
    """The graph, not compiled: a server compiles it with its own checkpointer."""
    builder = StateGraph(State, context_schema=Context, input_schema=InputState)
    for name, node in (
        ("listen", listen),
        ("decide", decide),
        ("recall", recall),
        ("reply", reply),
        ("speak", speak),
    ):
        builder.add_node(name, node)
    builder.add_edge(START, "listen")
    builder.add_edge("listen", "decide")
    builder.add_conditional_edges("decide", route, ["recall", "reply"])
    for answered in ("recall", "reply"):
        builder.add_conditional_edges(answered, wants_speech, {"speak": "speak", "end": END})
    builder.add_edge("speak", END)
    return builder


graph: CompiledStateGraph[State, Context, InputState, State] = build_graph().compile()
graph.name = "conversation"
