"""The list of jobs: filters, pages, search, rows and export."""
