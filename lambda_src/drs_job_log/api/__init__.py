"""The HTTP API and the files of the viewer."""
