"""Generated silhouettes: glyphs and procedural shapes."""
