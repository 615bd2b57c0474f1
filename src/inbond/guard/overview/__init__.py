"""What an operator is told: state, verdicts and signatures as the values of a report. Pure."""
