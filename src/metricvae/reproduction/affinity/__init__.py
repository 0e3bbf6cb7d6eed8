"""Affinity beside Vina, Glide and what is simple, on complexes, congeners and pairs of sequence and molecule."""
