"""Recipes: one frozen config, and the stages that turn it into a student with its paper trail."""
