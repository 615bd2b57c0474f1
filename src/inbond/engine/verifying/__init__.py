"""Verification: whether an answer is right, by something that can be run and not by a model's opinion."""
