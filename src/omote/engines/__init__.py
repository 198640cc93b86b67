"""A new face for an old one: one room per family of engines, one protocol for all of them."""
