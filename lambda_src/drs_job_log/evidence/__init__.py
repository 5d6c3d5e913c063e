"""Evidence: writes a report of each execution to a bucket, where it is kept for years."""
