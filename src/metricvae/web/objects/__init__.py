"""Objects that clients send: read in processes of their own, kept in the folder of the server."""
