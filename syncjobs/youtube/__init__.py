"""YouTube Data API v3: typed values, typed errors, and a simulator. A leaf: knows no models and no settings."""
