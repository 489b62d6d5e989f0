"""The run folder as a format: names, schemas, readers, writers; plain values in and out."""
