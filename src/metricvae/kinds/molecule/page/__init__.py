"""The HTML page of molecules that were found for a query, with a viewer in three dimensions."""
