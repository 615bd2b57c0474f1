"""Briefings: an article read as numbered blocks, translated block by block, summed up and commented.

Every claim is checked against the block that it rests on. Sources are strangers' bytes; replies a model's.
"""
