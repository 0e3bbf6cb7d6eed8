"""Generated silhouettes: from a decoded picture to a mask in one piece."""
