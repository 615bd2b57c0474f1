"""What people see: the report page, the model card and the notice, from plain values alone."""
