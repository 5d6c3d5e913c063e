"""Failure notifications over Amazon SNS."""
