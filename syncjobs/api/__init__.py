"""The REST API: thin skins over `operations` and the querysets. Paths without a trailing slash, camelCase, ids as strings."""
