"""One lineage in the words of other standards: a pure module for each form, all of the same facts."""
