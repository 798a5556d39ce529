"""What a stage reads is what the stage before it wrote, or it does not run."""

import threading
from contextlib import chdir
from pathlib import Path

import pytest
import zc.lockfile

import intact
from clone import checksums, edit_params, run
from damaging import flip_a_bit
from dvc_project import make, stages_run
from fashion.errors import InputError

IMAGES = "data/augmented/train_images.npy"
ONE = {"dvc.yaml": "stages: {one: {cmd: python join.py in.txt one.txt, deps: [in.txt], outs: [one.txt]}}"}
STAGES = str(Path(intact.__file__).parent)
SAID = f"error: {IMAGES}: damaged on the disk; set aside in .dvc/tmp/abreast/damaged; run again to make it anew\n"


def test_a_stage_refuses_a_damaged_input_and_running_again_mends_it(project: Path) -> None:
    before = checksums(project)
    run(project, "dvc", "status")  # so that it knows the files of this copy
    flip_a_bit(project / IMAGES)
    edit_params(project, lambda params: params["variants"]["base"]["phases"]["adam"].update(lr=0.002))
    refused = run(project, "dvc", "repro", "train@base", status=255)
    assert SAID in refused
    assert "Traceback" not in refused
    assert checksums(project)["models/base.safetensors"] == before["models/base.safetensors"]
    assert "train@base" in stages_run(run(project, "dvc", "repro", "train@base"))
    assert checksums(project)[IMAGES] == before[IMAGES]


def test_a_file_that_was_edited_is_what_dvc_takes_it_for(project: Path) -> None:
    classes = project / "data/ingested/about.json"
    classes.write_text(classes.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    run(project, "dvc", "freeze", "ingest")
    run(project, "dvc", "repro", "--single-item", "predict")


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
def test_an_input_that_another_stage_has_just_set_aside_is_missed_in_a_line(tmp_path: Path) -> None:
    make(tmp_path, ONE)
    gone = r"^one\.txt: not there any more; run again to make it anew$"
    with chdir(tmp_path), pytest.raises(InputError, match=gone):
        intact.require_intact(Path("one.txt"), "0" * 32)


def test_damaged_notes_of_dvc_are_named_by_a_stage_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(notes))
    project = make(tmp_path / "project", ONE)
    run(project, "dvc", "repro", environment={"DVC_SITE_CACHE_DIR": str(notes)})
    for database in notes.glob("repo/*/*/cache.db"):
        database.write_bytes(b"no database" * 1000)
    with chdir(project), pytest.raises(InputError, match="^DVC's notes of files cannot be read .*, or delete"):
        intact.require_intact(Path("one.txt"), "0" * 32)
    script = "import entry; entry.STAGE = 'one'; entry.put_back_outputs()"
    said = run(project, "python", "-c", script, environment={"DVC_SITE_CACHE_DIR": str(notes), "PYTHONPATH": STAGES})
    assert said == "the last outputs could not be put back (file is not a database); `dvc checkout` does\n"


def test_a_lock_is_read_when_dvc_has_written_all_of_it(tmp_path: Path) -> None:
    with chdir(tmp_path):
        intact.BUSY.parent.mkdir(parents=True)
        lock = Path("dvc.lock")
        lock.write_text("stages:\n", encoding="utf-8")
        writer = zc.lockfile.LockFile(str(intact.BUSY))

        def write_the_rest() -> None:
            lock.write_text("stages:\n  split: {}\n", encoding="utf-8")
            writer.close()

        threading.Timer(0.2, write_the_rest).start()
        assert intact.undisturbed(lock) == "stages:\n  split: {}\n"


def test_where_dvc_has_no_file_for_its_lock_none_is_left(tmp_path: Path) -> None:
    with chdir(tmp_path):
        intact.BUSY.parent.mkdir(parents=True)
        Path("dvc.lock").write_text("stages: {}\n", encoding="utf-8")
        assert intact.undisturbed(Path("dvc.lock")) == "stages: {}\n"
        assert not intact.BUSY.exists()


@pytest.mark.parametrize("text", ["", "stages:\n  split:\n    outs:\n    - path: a", "stages: [", "stages: 3"])
def test_a_lock_that_is_no_lock_vouches_for_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(text, encoding="utf-8")
    assert intact.outputs_in(tmp_path / "dvc.lock", but="train@base") == {}


def test_a_file_that_is_read_is_told_from_one_that_is_written() -> None:
    assert intact.reads("rb", 0)
    assert not intact.reads("r+b", 0)
    assert not intact.reads("w", 0)
