"""The Django admin: our site, and the pages moderators work in."""
