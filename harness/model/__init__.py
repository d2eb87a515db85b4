"""The network and where its weights come from.

`network` is what is trained, on top of `trunk` (the CLIP model) and `text` (its prompts, by `packing`). Names, files
and hashes are the business of `architectures`, `weights` and `pretrained`, which load nothing.
"""
