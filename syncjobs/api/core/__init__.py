"""What the API resources share."""
