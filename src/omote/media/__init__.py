"""Pixels in, pixels out: pictures and films."""
