"""The pages, a module a noun. Each resource asks the database, and a template says it."""
