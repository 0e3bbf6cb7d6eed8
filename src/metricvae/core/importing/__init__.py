"""The import of pairs with values that a user brings: a table, or objects in memory, becomes a data-set folder."""
