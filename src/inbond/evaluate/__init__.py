"""Evaluation: how near a student comes to its teacher, and what it saves."""
