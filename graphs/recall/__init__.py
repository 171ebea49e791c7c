"""recall: question → retrieve → answer with citations, or abstain."""
