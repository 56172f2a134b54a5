"""YouTube Data API v3: typed values, typed errors, and a simulator. A leaf: it imports no models or settings."""
