"""Finding corpora: the search order, pinned hashes, own files, embedded texts. Downloads: test_download.py."""

import hashlib
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tasks.corpora import resolving
from tasks.corpora.known import Known
from tasks.corpora.resolving import KNOWN, Corpus, CorpusError, files, resolve, text

CONTENT = "to be, or not to be: éà\r\n"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test alone, and no network."""

    def refuse(*_: object) -> str:
        raise AssertionError("the network was tried")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(resolving, "fetch", refuse)
    return resolving.cache()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Known:
    """A known text of one file, and a known tagged corpus of two, with contents of our own."""
    known = Known("text", "plays", "http://127.0.0.1:9", {"play.txt": sha(CONTENT.encode())})
    monkeypatch.setitem(KNOWN, "shakespeare", known)
    pair = Known("tagged", "sub/tags", "http://127.0.0.1:9", {"b.tsv": sha(b"b"), "a.tsv": sha(b"a")})
    monkeypatch.setitem(KNOWN, "litbank", pair)
    return known


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def find(corpus: str, folder: Path | None = None, fallback: str = "python", download: bool = True) -> Corpus:
    return resolve(corpus, fallback=fallback, folder=folder, download=download)


def test_the_given_folder_comes_before_the_cache(cached: Path, play: Known, tmp_path: Path) -> None:
    put(cached, "plays/play.txt", CONTENT.encode())
    assert find("shakespeare", tmp_path).folder == cached  # the folder holds nothing of it
    given = tmp_path / "given"
    put(given, "plays/play.txt", CONTENT.encode())
    found = find("shakespeare", given)
    assert found == Corpus("shakespeare", sha(CONTENT.encode()), "shakespeare", given)
    assert text(found) == CONTENT


def test_source_and_folder_find_the_same_again(cached: Path, play: Known, tmp_path: Path) -> None:
    put(cached, "plays/play.txt", CONTENT.encode())
    own = put(tmp_path, "own.txt", b"own text")
    for corpus in ("shakespeare", "python", str(own)):
        found = find(corpus)
        assert find(found.source, found.folder) == found
    assert find("generated", fallback="generated") == find("generated", fallback="generated")


@pytest.mark.parametrize("place", ["given", "cache"])
def test_another_hash_is_an_error_and_no_fall_through(cached: Path, play: Known, tmp_path: Path, place: str) -> None:
    put(cached, "plays/play.txt", CONTENT.encode())
    folder = tmp_path / "given" if place == "given" else cached
    wrong = put(folder, "plays/play.txt", b"something else")
    with pytest.raises(CorpusError) as error:
        find("shakespeare", tmp_path / "given" if place == "given" else None)
    for part in (str(wrong), sha(CONTENT.encode()), sha(b"something else"), "remove it"):
        assert part in str(error.value)


def test_nowhere_to_be_found_falls_back_and_says_so(cached: Path, play: Known) -> None:
    found = find("shakespeare", download=False)
    assert (found.name, found.source) == ("python", "python")
    assert "shakespeare" in found.note
    assert str(cached) in found.note
    assert find("litbank", fallback="generated", download=False).source == "generated"


def test_a_set_is_named_by_all_of_its_files(cached: Path, play: Known, tmp_path: Path) -> None:
    paths = [put(tmp_path, f"sub/tags/{name}.tsv", name.encode()) for name in "ab"]
    found = find("litbank", tmp_path, "generated")
    assert found.sha256 == sha(f"a.tsv {sha(b'a')}\nb.tsv {sha(b'b')}\n".encode())
    assert files(found) == paths
    paths[0].unlink()
    with pytest.raises(CorpusError, match=r"lacks 1 of 2 files.*a\.tsv"):
        find("litbank", tmp_path, "generated")


def test_a_data_folder_that_is_not_there_is_an_error(cached: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"does not exist.*BENCH_DATA"):
        find("shakespeare", tmp_path / "typo")


def test_own_files(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "mine.txt", CONTENT.encode())
    monkeypatch.chdir(tmp_path)
    found = find("mine.txt")
    assert found == Corpus("mine.txt", sha(CONTENT.encode()), str(path), None)
    assert text(found) == CONTENT
    assert files(found) == [path]
    path.write_text("changed since")
    with pytest.raises(CorpusError, match="expected sha256"):
        text(found)


def test_names_that_are_neither_known_nor_files(cached: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no file .*shakspeare.*did you mean shakespeare"):
        find("shakspeare")
    with pytest.raises(CorpusError, match="expected a file, got the folder"):
        find(str(tmp_path))
    (tmp_path / "a.png").touch()
    with pytest.raises(CorpusError, match=r"expected a folder, got the file .*a\.png"):
        find(str(tmp_path / "a.png"), fallback="digits")
    with pytest.raises(CorpusError, match=r"litbank.*cannot read.*expected shakespeare"):
        find("litbank")
    with pytest.raises(CorpusError, match=r"python.*cannot read.*expected litbank"):
        find("python", fallback="generated")


@pytest.mark.parametrize(("content", "word"), [(b"\xff\xfea\0", "UTF-16"), (b"caf\xe9", "not UTF-8"), (b"", "empty")])
def test_files_that_hold_no_text(cached: Path, tmp_path: Path, content: bytes, word: str) -> None:
    path = put(tmp_path, "mine.txt", content)
    with pytest.raises(CorpusError, match=word):
        text(find(str(path)))


def test_tags_are_no_text_and_embedded_corpora_have_no_files(cached: Path, play: Known, tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path, f"sub/tags/{name}.tsv", name.encode())
    for corpus in ("litbank", "generated"):
        with pytest.raises(CorpusError, match="no text corpus"):
            text(find(corpus, tmp_path, "generated"))
    with pytest.raises(CorpusError, match="no files"):
        files(find("python"))


def archive(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "packed" / "text.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def packed(monkeypatch: pytest.MonkeyPatch, path: Path, size: int) -> None:
    pinned = {path.name: sha(path.read_bytes())}
    monkeypatch.setitem(KNOWN, "text8", Known("text", "packed", "http://x", pinned, member="text8", member_bytes=size))


def test_of_an_archive_one_member_is_read_and_nothing_extracted(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b"
    path = archive(folder, {"../../evil": b"x", "/evil": b"x", "text8": b"anarchism"})
    packed(monkeypatch, path, 9)
    before = sorted(tmp_path.rglob("*"))
    assert text(find("text8", folder)) == "anarchism"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bomb_is_not_inflated(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, {"text8": bytes(50_000_000)})
    packed(monkeypatch, path, 1_000)
    found = find("text8", tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match="should hold 1000 bytes"):
            text(found)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_without_the_member(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(monkeypatch, archive(tmp_path, {"other": b"x"}), 1)
    with pytest.raises(CorpusError, match="member text8"):
        text(find("text8", tmp_path))


def test_the_interpreters_own_sources(cached: Path) -> None:
    found = find("python")
    content = text(found)
    assert len(content) == resolving.PYTHON_CHARACTERS
    assert found.sha256 == sha(content.encode())
    assert content.startswith(Path(sys.modules["__future__"].__file__ or "").read_text(encoding="utf-8")[:1000])


def test_another_process_finds_the_same_sources_without_torch_or_numpy(cached: Path) -> None:
    program = (
        "import sys; from tasks.corpora.resolving import resolve\n"
        "found = resolve('python', fallback='python', folder=None); "
        "print(found.sha256, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    root = Path(resolving.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [find("python").sha256, "False", "False"]


def test_the_pinned_names_are_plain() -> None:
    assert len(KNOWN["litbank"].files) == 100
    for known in KNOWN.values():
        for name, pinned in known.files.items():
            assert Path(name).name == name
            assert len(bytes.fromhex(pinned)) == 32


@pytest.mark.parametrize("corpus", ["shakespeare", "litbank", "wnut17", "wikigold"])
def test_real_corpora(cached: Path, data_folder: Path, corpus: str) -> None:
    fallback = "python" if KNOWN[corpus].kind == "text" else "generated"
    found = find(corpus, data_folder, fallback)
    assert (found.source, found.folder, found.sha256) == (corpus, data_folder, KNOWN[corpus].sha256)
    assert len(files(found)) == len(KNOWN[corpus].files)


def test_tiny_shakespeare(cached: Path, data_folder: Path) -> None:
    content = text(find("shakespeare", data_folder))
    assert (len(content), len(set(content))) == (1_115_394, 65)


# -- for other machines ------------------------------------------------------------------------------------------------


def test_what_is_packed_is_found_again_in_another_folder(cached: Path, play: Known, tmp_path: Path) -> None:
    given, elsewhere = tmp_path / "given", tmp_path / "elsewhere"
    put(given, "plays/play.txt", CONTENT.encode())
    put(given, "sub/tags/a.tsv", b"a")
    put(given, "sub/tags/b.tsv", b"b")
    own = put(tmp_path, "own.txt", b"own text")
    for corpus, fallback in (
        ("shakespeare", "python"),
        ("litbank", "generated"),
        (str(own), "python"),
        ("python", "python"),
        ("generated", "generated"),
    ):
        found = find(corpus, given, fallback)
        name, content = resolving.pack(found.source, found.folder)
        folder = elsewhere / fallback
        folder.mkdir(parents=True, exist_ok=True)
        for file, body in content.items():
            put(folder, file, body)
        there = find(str(folder / name) if name in content else name, folder, fallback)
        assert there.sha256 == found.sha256
        assert len(content) == {"litbank": 2, "generated": 0}.get(corpus, 1)
        if fallback == "python":
            assert text(there) == text(found)


def test_what_vanished_cannot_be_packed(cached: Path, play: Known, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        resolving.pack(str(tmp_path / "own.txt"), None)
    with pytest.raises(FileNotFoundError):
        resolving.pack("litbank", tmp_path)
    with pytest.raises(CorpusError, match="the folder it was found in is not known"):
        resolving.pack("litbank", None)
