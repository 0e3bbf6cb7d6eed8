"""Grey and colour images of one size."""
