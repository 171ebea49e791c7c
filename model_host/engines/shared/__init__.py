"""What several engines need: loading, checked audio, text cut for speech. Imports no engine."""
