"""Media for the demo and the evaluation, and the scripts that made them."""
