"""The domain: events, progress and truncation. Imports neither boto3 nor the other packages."""
