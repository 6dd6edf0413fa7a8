"""From a source to records: stage it, plan what must be done, do it batch by batch."""
