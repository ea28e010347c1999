"""The summary of a comparison, its plots, its page in a browser, and docs/benchmarks.md."""
