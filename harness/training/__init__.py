"""One run, from its spec to its stored result.

`runner` builds what `loop` trains, on what `material` reads; `optimisation`, `tally`, `evaluation` and `watch` are
parts of the loop, `partners` are processes that train one run together. `checkpoint`, `states`, `retry` and `writing`
see to it that nothing is lost; `environment` and `trackers` tell of it.
"""
