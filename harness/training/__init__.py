"""One run, from its spec to its stored result.

`runner` builds what `loop` trains; `optimisation`, `tally`, `evaluation` and `watch` are its parts. `checkpoint`,
`states`, `retry` and `writing` see to it that nothing is lost; `environment` and `trackers` tell of it.
"""
