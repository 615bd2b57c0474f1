"""What people see: the report page, the model card, what became of a lineage: from values alone."""
