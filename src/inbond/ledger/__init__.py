"""The append-only, hash-chained, signed trail: events, manifests, records' lineage, verification."""
