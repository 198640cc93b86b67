"""Faces for training: shards on disk, sets of faces, pairs, augmentation, batches; and how shards are built.

Building and listing a data set (`build`, `shards`, `table`) needs no torch; `faces`, `augment`, `batches` and
`crops` do.
"""
