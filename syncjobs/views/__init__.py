"""The pages of the admin, a module for each family. They decide nothing: `operations` and the figures do."""
