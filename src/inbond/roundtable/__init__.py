"""A panel of models that decides in the open: blind votes, one round of answers, a record that replays.

Read in this order: question, ballots (what a seat says), ladder (how it is got out of a model), prompts,
protocol (what is to be asked next), tally, turning, summary, session (all of it, folded from the transcript),
then what touches the world: transcript, seating, table.
"""
