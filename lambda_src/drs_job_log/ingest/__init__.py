"""Ingest: stores the events of the queue."""
