"""Linking: finds the execution of a job and updates the execution's status."""
