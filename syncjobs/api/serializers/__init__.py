"""What clients send and receive, a module per resource."""
