"""Everything a person or a schedule can do. Admin, API and commands call these functions."""
