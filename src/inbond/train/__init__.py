"""Training: the student, the teacher's targets, one flat loop, checkpoints."""
