"""Measurements for the record, each a command: `PYTHONPATH=tests python -m measure.NAME`, from the checkout's root.

`kodak`, `enhancement`, `speed`, `cold` and `large` write one result file each into docs/results/; `report` makes
docs/measurements.md of those files, and docs/results/beyond.json for docs/benchmarks.md. The machine should be idle.
"""
