"""Kinds of objects: one package a kind. Other packages bring theirs as entry points of the group `metricvae.kinds`."""

BUILTIN = {
    "silhouette": "metricvae.kinds.silhouette.kind:SilhouetteKind",
    "half": "metricvae.kinds.half.kind:HalfKind",
    "molecule": "metricvae.kinds.molecule.kind:MoleculeKind",
    "molecule-2d": "metricvae.kinds.molecule_2d.kind:Molecule2dKind",
    "molecule-descriptors": "metricvae.kinds.molecule_descriptors.kind:MoleculeDescriptorsKind",
    "molecule-fingerprint": "metricvae.kinds.molecule_fingerprint.kind:MoleculeFingerprintKind",
    "molecule-described": "metricvae.kinds.molecule_described.kind:MoleculeDescribedKind",
    "pocket": "metricvae.kinds.pocket.kind:PocketKind",
    "pocket-lining": "metricvae.kinds.pocket_lining.kind:PocketLiningKind",
    "points": "metricvae.kinds.points.kind:PointsKind",
    "sequence": "metricvae.kinds.sequence.kind:SequenceKind",
    "sequence-words": "metricvae.kinds.sequence_words.kind:SequenceWordsKind",
    "vector": "metricvae.kinds.vector.kind:VectorKind",
    "image": "metricvae.kinds.image.kind:ImageKind",
    "volume": "metricvae.kinds.volume.kind:VolumeKind",
}
