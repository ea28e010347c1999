"""Chapters of docs/measurements.md: each makes Markdown of the rows of one result file."""
