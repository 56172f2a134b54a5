"""The parts that the admin's pages share."""
