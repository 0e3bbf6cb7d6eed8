"""The exact maximum overlap of two silhouettes."""
