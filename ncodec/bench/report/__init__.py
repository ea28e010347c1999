"""What a comparison looks like: plots, a page with a picture viewer, and docs/benchmarks.md."""
