"""conversation: listen or read → decide → recall → answer → speak."""
