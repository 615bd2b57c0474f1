"""One local site over a workspace, to be read: runs, lineage, terms, roundtables, the ledger."""
