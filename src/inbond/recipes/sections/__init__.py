"""The sections of a recipe, one file a topic."""
