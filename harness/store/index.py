"""The index of a store: what tables need to know of each run, so that 100,000 runs are read in about a second.

The files in the runs' folders are the truth. `RUNS/index.parquet` keeps what was read of them, with a stamp of the
files it was read from; a run whose files have another stamp is read again. An index that is damaged, of another form
or not there is made again, and a store that can't be written to is read without one.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow

from harness import scores
from harness.errors import BadInput, headline
from harness.files import write_bytes
from harness.store import ALARMS, Record, Store, errors_among

FILE = "index.parquet"
FORM = b"3"  # raise it when an entry says something else than before
SETTLED = 10**9  # ns: a file changed later than this before it was read could change again within one tick of its time
BATCH = 10_000  # entries that are packed or unpacked at once
SPLITS = ("val", "test")
METRICS = tuple(scores.BY_NAME)
_ABSENT = (0, 0, 0)
RESULT = "result.json"  # what is wrong with it is an alarm of this name
_READ = ("spec.json", RESULT, ALARMS)
_TOLD = ("severity", "sentinel", "message")  # of an alarm
_OF_THE_RUN = ("dataset", "method", "components", "seed")  # what of a spec most runs don't share


class Entry(NamedTuple):
    """One stored run. What many runs have in common is JSON text, held once and compared as text.

    `status` is empty while the run is unfinished, `scores` are by split and metric (`SPLITS` × `METRICS`, None where
    there is none), `setup` is the spec but for method and seed, `counts` how the data was read, `raised` the alarms:
    a list of [severity, sentinel, message], `processes` how many trained it together (0: not known). What of its
    files makes no sense is an alarm too, by the file's name.
    """

    dataset: str
    run_id: str
    stamp: int
    status: str
    method: str
    seed: int
    seconds: float | None
    scores: tuple[float | None, ...]
    alarms: int
    errors: int
    selection: str
    primary: str
    manifest: str
    error: str
    setup: str
    counts: str
    raised: str
    processes: int

    @property
    def done(self) -> bool:
        return self.status == "done"

    def wrong(self, severities: Mapping[str, str] | None = None) -> list[str]:
        """The sentinels whose alarms are errors; see `errors_among`."""
        raised = unpacked(self.raised) if self.errors else []
        return errors_among(((severity, sentinel) for severity, sentinel, _ in raised), severities)


@functools.cache
def unpacked(text: str) -> Any:
    """The JSON behind an entry's text, the same object each time: to be read, not changed."""
    return json.loads(text)


def entries(store: Store) -> dict[tuple[str, str], Entry]:
    """Every run of which something is stored, by data set and run id, in the order of the folders' names.

    Raises `BadInput` for a file of a run that can't be read.
    """
    kept = _load(store.root / FILE)
    clock = functools.cache(lambda: _clock(store.root))
    found: dict[tuple[str, str], Entry] = {}
    settled: list[Entry] = []
    for place, stamp, changed in _runs(store):
        entry = kept.get(place)
        if entry is None or entry.stamp != stamp:
            now = clock()  # before the files are read
            record = store.record(*place)
            if record is None:  # gone since
                continue
            entry = _entry(place, record, stamp)
            if changed > now - SETTLED:
                found[place] = entry
                continue
        found[place] = entry
        settled.append(entry)
    if len(settled) != len(kept) or any(kept.get((e.dataset, e.run_id)) is not e for e in settled):
        with suppress(OSError):  # an index saves time and nothing else
            write_bytes(store.root / FILE, _packed(settled))
    return found


# ── what is stored ──────────────────────────────────────────────────────────────────────────────────────────


def _runs(store: Store) -> Iterator[tuple[tuple[str, str], int, int]]:
    """Place, stamp and time of the last change (ns) of every run's folder."""
    for place in store.places():
        known = [_stat(f"{store.root}/{place[0]}/{place[1]}/{name}") for name in _READ]
        if known[0] != _ABSENT:
            yield place, hash(tuple(known)), max(changed for changed, _, _ in known)


def _stat(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    return found.st_mtime_ns, found.st_size, found.st_ino


def _clock(root: Path) -> int:
    """What time (ns) it is for the store's file system, which may be another machine's; 0 where none can be asked."""
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return 0


def _entry(place: tuple[str, str], record: Record, stamp: int) -> Entry:
    spec, result = record.spec, record.result
    counts = {key: value for key, value in result.get("counts", {}).items() if key != "unreadable_clips"}
    metrics = result.get("metrics", {})
    notes = list(dict.fromkeys(note["message"] for note in counts.get("notes", ())))
    told = {(split, metric): metrics.get(split, {}).get(metric) for split in SPLITS for metric in METRICS}
    senseless = [
        ["error", RESULT, f"{' '.join(of)} is {score!r}, which is no score: it is left out"]
        for of, score in told.items()
        if score is not None and _number(score) is None
    ]
    raised = (list(_alarms(record)) if result.get("alarms") else []) + senseless
    return Entry(
        *place,
        stamp=stamp,
        status=sys.intern(result.get("status", "")),
        method=sys.intern(spec["method"]),
        seed=spec["seed"],
        seconds=_number(result.get("duration_s")),
        scores=tuple(map(_number, told.values())),
        alarms=result.get("alarms", 0) + len(senseless),
        errors=result.get("errors", 0) + len(senseless),
        selection=sys.intern(result.get("selection", "val")),
        primary=sys.intern(result.get("primary", "")),
        manifest=sys.intern(result.get("manifest", "")),
        error=_text(headline(result["error"])) if result.get("error") else "",
        setup=_shared({key: value for key, value in spec.items() if key not in _OF_THE_RUN}),
        counts=_shared({**counts, "notes": notes}),
        raised=_shared(raised),
        processes=_processes(record) if record.done else 0,
    )


def _alarms(record: Record) -> Iterator[list[str]]:
    """The alarms as [severity, sentinel, message]; where they can't be read, one that says so."""
    try:
        alarms = record.alarms()
    except BadInput as error:
        alarms = [record.alarm(error.what)]
    yield from ([alarm[key] for key in _TOLD] for alarm in alarms)


def _processes(record: Record) -> int:
    """From `environment.json`, which is written with the spec and so needs no stamp of its own."""
    try:
        told = record.environment().get("processes", 0)
    except (BadInput, OSError):
        return 0  # the page says that the file is damaged
    return told if type(told) is int and 0 < told < 2**31 else 0


def _number(value: Any) -> float | None:
    """None for what is no finite number."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _shared(value: Any) -> str:
    return sys.intern(json.dumps(value))


def _text(text: str) -> str:
    """Without the signs that stand for bytes of a path that are no text."""
    return text.encode(errors="backslashreplace").decode()


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────


def _schema() -> pyarrow.Schema:
    import pyarrow

    number, score = pyarrow.int64(), pyarrow.list_(pyarrow.float64(), len(SPLITS) * len(METRICS))
    types = dict.fromkeys(("stamp", "seed", "alarms", "errors", "processes"), number)
    types |= {"run_id": pyarrow.string(), "seconds": pyarrow.float64(), "scores": score}
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    return pyarrow.schema([(name, types.get(name, word)) for name in Entry._fields], {"form": FORM})


def _packed(rows: Sequence[Entry]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    schema, sink = _schema(), pyarrow.BufferOutputStream()
    with parquet.ParquetWriter(sink, schema, write_page_checksum=True) as writer:
        for start in range(0, len(rows), BATCH):
            columns = zip(*rows[start : start + BATCH], strict=True)
            writer.write_table(pyarrow.table(dict(zip(Entry._fields, map(list, columns), strict=True)), schema))
    return sink.getvalue().to_pybytes()


def _load(path: Path) -> dict[tuple[str, str], Entry]:
    """What is kept; nothing where there is no index, or it is damaged or of another form."""
    if not path.exists():
        return {}
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            form = file.schema_arrow
            if not form.equals(_schema()) or form.metadata != _schema().metadata:
                return {}
            rows = (row for batch in file.iter_batches(BATCH) for row in _unpacked(batch))
            return {(row.dataset, row.run_id): row for row in rows}
    except (OSError, ValueError, pyarrow.ArrowException):
        return {}


def _unpacked(batch: pyarrow.RecordBatch) -> Iterator[Entry]:
    return map(Entry._make, zip(*map(_values, batch.columns), strict=True))


def _values(column: pyarrow.Array) -> list[Any]:
    """A column as Python objects; rows with the same text share it."""
    if hasattr(column, "dictionary"):
        words = list(map(sys.intern, column.dictionary.to_pylist()))
        return [words[place] for place in column.indices.to_pylist()]
    if hasattr(column.type, "list_size"):
        flat, size = column.flatten().to_pylist(), column.type.list_size
        return [tuple(flat[at : at + size]) for at in range(0, len(flat), size)]
    return column.to_pylist()
