"""Where real texts come from: names, pinned hashes, the search order, and the fallback that needs no network.

    the folder given (--data, BENCH_DATA)  ─▶  the user's cache  ─▶  download into the cache  ─▶  the embedded fallback

A file with another hash than the pinned one is an error, never passed over silently. Only a known name falls back, and
the `Corpus` then says so: its `source` is the fallback's name. torch is not imported here, because the command line
resolves corpora too.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from tasks.corpora.decoding import decoded
from tasks.corpora.download import CorpusError, fetch
from tasks.corpora.known import DIGITS, EMBEDDED, KNOWN, Known

__all__ = ["EMBEDDED", "KNOWN", "Corpus", "CorpusError", "cache", "files", "pack", "resolve", "text"]

PYTHON_CHARACTERS = 1_100_000
GENERATED = {
    "generated": "generated documents, version 1",
    "grammar": "generated sentences, version 1",
    "numbers": "numbers in words and digits, version 1",
    "reviews": "reviews of two clauses, version 1",
    "drawn": "glyphs drawn for this suite, version 1",
}
_DIGITS = Path(__file__).with_name("digits.csv.gz")


@dataclass(frozen=True)
class Corpus:
    """Which corpus is read, and where it lies.

    name: as shown in tables. sha256: of the content (of a set of files: of its sorted "name sha256\\n" lines).
    source: a known name or an absolute path which, passed again as `corpus` with this `folder`, gives the same
    corpus with no network. note: why the fallback took the place of what was asked for, else empty.
    """

    name: str
    sha256: str
    source: str
    folder: Path | None
    note: str = field(default="", compare=False)


def cache() -> Path:
    """Return the user's cache folder of this suite (XDG_CACHE_HOME is respected); it may not exist yet."""
    import pooch  # late: it takes a tenth of a second

    return Path(pooch.os_cache("bench-long-range"))


def resolve(corpus: str, *, fallback: str, folder: Path | None, download: bool = True) -> Corpus:
    """Find a corpus: a known name, or else the path of a file (of images, of a folder).

    fallback: the embedded corpus that replaces a known one which cannot be had anywhere. folder: where
    corpora lie, searched first. download: whether to try the network, once.

    Raises:
        CorpusError: no such name or file; a file with another hash; a corpus of the wrong kind for the task; a
            folder that does not exist or holds part of a set; an unsafe or altered download.
    """
    if folder is not None and not folder.is_dir():
        raise CorpusError(f"the data folder {folder} does not exist: correct --data or BENCH_DATA, or leave it out")
    kind = KNOWN[corpus].kind if corpus in KNOWN else EMBEDDED.get(corpus)
    if kind not in (None, EMBEDDED[fallback]):
        raise CorpusError(f"{corpus} is a corpus of {kind} files, which this task cannot read: {_names(fallback)}")
    if corpus in EMBEDDED:
        return _embedded(corpus, folder)
    if corpus not in KNOWN:
        return _own_file(corpus, fallback, folder)
    known = KNOWN[corpus]
    if folder is not None and _holds(known, folder):
        return Corpus(corpus, known.sha256, corpus, folder)
    place = cache()
    missing = {name: known.files[name] for name in _missing(known, place)}
    reason = f"not in {place}" if missing else None
    if missing and download:
        reason = fetch(known.url, missing, place / known.folder, place)
    if reason is None:
        return Corpus(corpus, known.sha256, corpus, place)
    return _embedded(fallback, folder, f"{corpus} cannot be had ({reason})")


def text(corpus: Corpus) -> str:
    """Read the characters of a text corpus.

    Raises:
        CorpusError: the file changed since it was resolved, is not UTF-8 or is empty; not a text corpus.
    """
    if corpus.source == "python":
        return _standard_library()
    known = KNOWN.get(corpus.source)
    if corpus.source in EMBEDDED or (known and known.kind != "text"):
        raise CorpusError(f"{corpus.source} is no text corpus: {_names('python')}")
    path = known.paths(corpus.folder)[0] if known and corpus.folder else Path(corpus.source)
    content = path.read_bytes()
    _check(path, hashlib.sha256(content).hexdigest(), corpus.sha256)
    if known and known.member:
        content = _member(path, known.member, known.member_bytes)
    characters = content.decode(known.encoding) if known and known.encoding != "utf-8" else decoded(content, path)
    if not characters:
        raise CorpusError(f"{path} is empty: give a file with text")
    return characters


def files(corpus: Corpus) -> list[Path]:
    """Return the files of a corpus, sorted by name, as verified by `resolve`; of a folder all that lie in it.

    Raises:
        CorpusError: the corpus is embedded and has no files; a file of this package has another hash.
    """
    if corpus.source == "digits":
        _check(_DIGITS, _digest(_DIGITS), DIGITS)
        return [_DIGITS]
    if corpus.source in EMBEDDED:
        raise CorpusError(f"{corpus.source} has no files")
    known = KNOWN.get(corpus.source)
    if known and corpus.folder:
        return known.paths(corpus.folder)
    path = Path(corpus.source)
    return _inside(path) if path.is_dir() else [path]


def pack(source: str, folder: Path | None) -> tuple[str, dict[str, bytes]]:
    """Collect what another machine needs to find a corpus: its name there, and its files by their names below a folder.

    source, folder: of the `Corpus`. On the other machine `resolve` finds a known name in that folder, and a text as the
    file of this name. The interpreter's library is sent as text, because other machines may have another version.

    Raises:
        CorpusError, OSError: the corpus is no longer there.
    """
    if source == "python":
        return "python.txt", {"python.txt": _standard_library().encode()}
    if source in EMBEDDED:
        return source, {}
    known = KNOWN.get(source)
    if known is None:
        path = Path(source)
        if path.is_dir():
            name = f"folder/{path.name}"
            return name, {f"{name}/{file.relative_to(path).as_posix()}": file.read_bytes() for file in _inside(path)}
        return path.name, {path.name: path.read_bytes()}
    if folder is None:
        raise CorpusError(f"{source}: the folder it was found in is not known")
    return source, {f"{known.folder}/{name}": (folder / known.folder / name).read_bytes() for name in known.files}


def _holds(known: Known, folder: Path) -> bool:
    """Whether a given folder holds the corpus; part of a set is an error, because nobody means that."""
    missing = _missing(known, folder)
    if missing and len(missing) < len(known.files):
        raise CorpusError(
            f"{folder / known.folder} lacks {len(missing)} of {len(known.files)} files, the first is {missing[0]}: "
            f"complete it, or remove it"
        )
    return not missing


def _missing(known: Known, root: Path) -> list[str]:
    """The names of the files that are not below `root`; those that are there must have the pinned hash."""
    missing = []
    for name, expected in known.files.items():
        path = root / known.folder / name
        if path.is_file():
            _check(path, _digest(path), expected)
        else:
            missing.append(name)
    return missing


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, got: str, expected: str) -> None:
    if got != expected:
        raise CorpusError(
            f"{path}: expected sha256 {expected}, got {got}. The file is not what it should be: remove it (it is "
            f"then downloaded) or put the right one there. A text of your own goes in as corpus=PATH."
        )


def _own_file(corpus: str, fallback: str, folder: Path | None) -> Corpus:
    try:
        path = Path(corpus).expanduser().absolute()
        str(path).encode()
        if EMBEDDED[fallback] == "images":
            if path.is_dir():
                return Corpus(path.name, _digest_of_folder(path), str(path), folder)
        elif path.is_file():
            return Corpus(path.name, _digest(path), str(path), folder)
    except UnicodeEncodeError:
        raise CorpusError(
            f"corpus {corpus!r}: the name of its file is not UTF-8, so no record can hold it. Rename it"
        ) from None
    except (OSError, RuntimeError) as error:  # no permission, a name that is too long, an unknown ~user
        raise CorpusError(f"corpus {corpus!r} cannot be read: {error}") from None
    near = difflib.get_close_matches(corpus, [*KNOWN, *EMBEDDED], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    kind = EMBEDDED[fallback]
    what = _WHAT.get(kind, "file")
    there = f"there is no {what} {path}"
    if path.exists():
        there = f"expected a {what}, got the {'folder' if path.is_dir() else 'file'} {path}"
    raise CorpusError(f"{_WORD.get(kind, 'corpus')} {corpus!r}: {there}{hint} ({_names(fallback)})")


_WHAT = {"images": "folder"}  # by kind; all others are files
_WORD = {"font": "font"}  # what it is called in messages, by kind


def _inside(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, sorted; none whose name begins with a dot."""
    return sorted(path for path in folder.rglob("[!.]*") if path.is_file())


def _digest_of_folder(folder: Path) -> str:
    lines = "".join(f"{path.relative_to(folder).as_posix()} {_digest(path)}\n" for path in _inside(folder))
    return hashlib.sha256(lines.encode()).hexdigest()


def _names(fallback: str) -> str:
    """What may be given where `fallback` is the fallback."""
    kind = EMBEDDED[fallback]
    names = [name for name, known in KNOWN.items() if known.kind == kind]
    return f"expected {', '.join([*names, fallback])}, or the path of a {_WHAT.get(kind, 'file')}"


def _embedded(name: str, folder: Path | None, note: str = "") -> Corpus:
    if name == "digits":
        return Corpus(name, DIGITS, name, folder, note)
    content = GENERATED.get(name) or _standard_library()
    return Corpus(name, hashlib.sha256(content.encode()).hexdigest(), name, folder, note)


@functools.cache
def _standard_library() -> str:
    """The first 1.1 million characters of the running interpreter's own library, files sorted by relative path.

    Only modules that the interpreter lists as its own, because what a distribution or an installer adds differs by
    machine.
    """
    root = Path(sysconfig.get_path("stdlib"))
    tops = [root / f"{name}.py" for name in sys.stdlib_module_names] + [root / name for name in sys.stdlib_module_names]
    paths = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*.py"))]
    parts: list[str] = []
    size = 0
    for path in sorted(paths, key=lambda path: path.relative_to(root).as_posix()):
        try:
            part = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        parts.append(part)
        size += len(part)
        if size >= PYTHON_CHARACTERS:
            break
    if size < PYTHON_CHARACTERS // 10:
        raise CorpusError(f"corpus python: this interpreter has no library sources in {root}; give corpus=PATH")
    return "".join(parts)[:PYTHON_CHARACTERS]


def _member(path: Path, member: str, size: int) -> bytes:
    """One member of an archive, read into memory: nothing is extracted, and no other member is read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            content = file.read(size + 1)
    except (KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path} is no zip archive with a member {member}: {error}") from None
    if len(content) != size:
        raise CorpusError(f"{path}: its member {member} should hold {size} bytes, and does not")
    return content
