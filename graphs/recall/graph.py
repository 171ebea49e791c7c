"""recall as a graph: retrieve → draft → ground, or abstain."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy

from graphs.recall.context import Context
from graphs.recall.nodes import abstain, answers, draft, ground, retrieve
from graphs.recall.state import InputState, OutputState, State
from model_host.errors import WorkerError


def build_graph() -> StateGraph[State, Context, InputState, OutputState]:
    """The graph, not compiled."""
    builder = StateGraph(
        State, context_schema=Context, input_schema=InputState, output_schema=OutputState
    )
    # A worker that dies hits one call; the next gets a new one.
    again = RetryPolicy(max_attempts=2, initial_interval=0.01, retry_on=WorkerError)
    builder.add_node("retrieve", retrieve, retry_policy=again)
    builder.add_node("draft", draft)
    builder.add_node("ground", ground, retry_policy=again)
    builder.add_node("abstain", abstain)
    builder.add_edge(START, "retrieve")
    builder.add_conditional_edges("retrieve", answers, ["draft", "abstain"])
    builder.add_edge("draft", "ground")
    builder.add_edge("ground", END)
    builder.add_edge("abstain", END)
    return builder


graph: CompiledStateGraph[State, Context, InputState, OutputState] = build_graph().compile()
graph.name = "recall"
