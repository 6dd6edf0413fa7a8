"""What must survive: records in DuckDB, vectors in an append-only file, published generations."""
