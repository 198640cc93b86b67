"""The command line: one module per command. It parses, calls the API and prints."""
