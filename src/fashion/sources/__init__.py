"""Raw files to arrays: what lies in `data/raw`, found or fetched, read and checked."""
