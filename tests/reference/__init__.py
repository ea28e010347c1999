"""A decoder in plain numpy and Python integers, from docs/format.md alone. It shares no code with ncodec."""
