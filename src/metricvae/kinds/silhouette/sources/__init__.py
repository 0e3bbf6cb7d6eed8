"""Sources of random silhouettes: glyphs of fonts, and procedural shapes."""
