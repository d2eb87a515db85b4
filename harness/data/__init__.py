"""What a data set is on its way from the disk to a batch, adapters apart.

Reading a copy: `clips`, `paths`, `media`, `listfiles`, `lists`, `boxes`, `scan`, `sentences`. Pixels: `probe`, `video`,
`augment`. What is kept: `shelf`, `cache`, `cupboard`, `usage`, `manifest`. Batches: `loading`, `sharing`.
"""
