"""Planted marks, tests for them and for other traces of training, and what they find."""
