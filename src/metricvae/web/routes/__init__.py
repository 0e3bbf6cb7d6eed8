"""Routes of the interface, a module for each group: they check, call the library, and answer."""
