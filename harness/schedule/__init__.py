"""Who trains which run, where and when.

`placement` begins: by it a call's processes (`launch`), their workers (`crew`) and a cluster's jobs (`submit`, `task`)
train runs that they claim from the store (`claiming`, `awaited`). `progress` is what a person sees, `thumbnails` what a
leaderboard's page shows of a miniature's clips.
"""
