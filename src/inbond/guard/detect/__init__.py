"""Detection: a pure fold of closed windows of marks into a memory of integers, and verdicts out of that.

``fold.fold(memory, window, marks)`` and ``judge.judge(memory)`` are all that others need; docs/adr/0010 says
why it is built so. Nothing here reads a clock, a file or a random number, and nothing is a float: the same
marks give the same bytes and the same verdicts on every machine, in whatever order replicas saw them.
"""
