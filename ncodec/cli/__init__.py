"""The command line: parses, calls, reports, and maps errors to exit statuses. Nothing imports it."""
