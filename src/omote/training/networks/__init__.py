"""Networks of the training room: pure modules, shapes in their docstrings."""
