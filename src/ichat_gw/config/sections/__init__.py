"""The rows of the table, a module for each section of the reference and of the file."""
