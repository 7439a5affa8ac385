"""A real server process on loopback, and its model, which gives the bytes of the local one."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.models.contract import ModelContract
from tests.remote.servers import ROOT, TOKEN, ServerProcess, start_server

from napari_segany import (
    AutomaticParams,
    FinderParams,
    MaskSet,
    MultiViewModel,
    Prompt,
    PromptableModel,
    SamModel,
    generate_masks,
    load_model,
)
from napari_segany.cli.main import main
from napari_segany.core.mask_io import pack
from napari_segany.errors import Cancelled, InputError, RemoteError
from napari_segany.models import registry
from napari_segany.models.searching import searching_model
from napari_segany.models.shared_model import SharedModel
from napari_segany.remote.model import RemoteModel
from napari_segany.segmentation import make_recipe, segment_everything

PARAMS = AutomaticParams(
    points_per_side=8, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)


@pytest.fixture
def model(server: ServerProcess) -> PromptableModel:
    return load_model(server.address)


class TestRemoteModel(ModelContract):
    @pytest.fixture
    def model(self, server: ServerProcess) -> PromptableModel:
        return load_model(server.address)


def check_same(found: MaskSet, expected: MaskSet) -> None:
    one, two = pack(found), pack(expected)
    assert list(one) == list(two)
    for name, each in one.items():
        assert each.dtype == two[name].dtype
        assert each.tobytes() == two[name].tobytes(), name
    logits, wanted = found.low_res_logits, expected.low_res_logits
    assert (logits is None) == (wanted is None)
    if logits is not None and wanted is not None:
        assert logits.tobytes() == wanted.tobytes()


def prompts_of(plane: NDArray[np.uint8], logits: NDArray[np.float32]) -> list[Prompt]:
    return [
        Prompt(points=[(20, 30)]),
        Prompt(points=[(5, 6), (30, 40)], labels=[1, 0]),
        Prompt(box=(4, 5, 30, 44)),
        Prompt(mask=plane > 200),
        Prompt(points=[(20, 30)], mask_logits=logits),
        Prompt(points=[(2, 3)], box=(0, 0, 9, 9), mask=plane > 100),
    ]


@pytest.mark.parametrize("low_res_logits", [True, False])
@pytest.mark.parametrize("multimask", ["auto", "both", True])
def test_answers_have_the_same_bytes(
    model: PromptableModel,
    tiny_model: SamModel,
    plane: NDArray[np.uint8],
    low_res_logits: bool,
    multimask: bool,
) -> None:
    here, there = tiny_model.embed(plane), model.embed(plane)
    first = tiny_model.predict(here, Prompt(points=[(20, 30)])).low_res_logits
    assert first is not None
    options = {"multimask": multimask, "low_res_logits": low_res_logits}
    prompts = prompts_of(plane, first[0])
    for found, expected in zip(
        model.predict(there, prompts, **options),  # type: ignore[arg-type]
        tiny_model.predict(here, prompts, **options),  # type: ignore[arg-type]
        strict=True,
    ):
        check_same(found, expected)


def test_many_prompts_go_in_several_requests(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    points = np.random.default_rng(1).uniform(0, 59, (300, 2))
    prompts = [Prompt(points=[point]) for point in points]
    found = model.predict(model.embed(plane), prompts, multimask=False)
    expected = tiny_model.predict(tiny_model.embed(plane), prompts, multimask=False)
    # Logits of so many are asked for again when they are read.
    for i in (0, 63, 64, 299):
        check_same(found[i], expected[i])


@pytest.mark.parametrize("strategy", ["grid", "adaptive"])
def test_everything_has_the_same_bytes_and_can_be_filtered(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8], strategy: str
) -> None:
    params = AutomaticParams(**{**PARAMS.to_dict(), "strategy": strategy})
    region = np.zeros(plane.shape, bool)
    region[10:50, 20:] = True
    steps: list[tuple[int, int]] = []
    found = generate_masks(model, plane, params, region=region)
    expected = generate_masks(tiny_model, plane, params, region=region)
    assert len(expected) > 1
    check_same(found, expected)
    check_same(found.all_candidates, expected.all_candidates)
    bound = float(np.median(expected.predicted_iou))
    check_same(
        found.filter(pred_iou_thresh=bound, min_solidity=0.1),
        expected.filter(pred_iou_thresh=bound, min_solidity=0.1),
    )
    again = generate_masks(
        model,
        plane,
        params,
        embedding=model.embed(plane),
        faithful=strategy == "grid",
        progress=lambda done, total: steps.append((done, total)),
    )
    own = tiny_model.embed(plane)
    check_same(
        again,
        generate_masks(tiny_model, plane, params, embedding=own, faithful=strategy == "grid"),
    )


def test_stacks_and_recipes_are_the_same(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    stack = np.stack([plane, plane[::-1]])
    assert make_recipe(model, PARAMS) == make_recipe(tiny_model, PARAMS)
    found = segment_everything(stack, axes="ZYX", model=model, params=PARAMS)
    expected = segment_everything(stack, axes="ZYX", model=tiny_model, params=PARAMS)
    assert expected.max() > 1
    assert np.array_equal(found, expected)


def test_colours_and_large_types(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    prompt = Prompt(points=[(20, 30)])
    colours = np.stack([plane, plane[::-1], 255 - plane], axis=-1)
    for each in (colours, plane.astype(np.float64) / 7, plane.astype(np.uint16) * 200):
        check_same(
            model.predict(model.embed(each), prompt),
            tiny_model.predict(tiny_model.embed(each), prompt),
        )


def test_docks_can_share_it(model: PromptableModel, plane: NDArray[np.uint8]) -> None:
    shared = SharedModel(model)
    assert searching_model(shared) is model
    assert shared.embed(plane) is shared.embed(plane)
    with pytest.raises(InputError, match="No finder on this machine fits"):
        generate_masks(shared, plane, params=FinderParams())


def test_it_can_be_pickled(model: PromptableModel, plane: NDArray[np.uint8]) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert isinstance(again, RemoteModel)
    assert str(again.address) == str(model.address)  # type: ignore[attr-defined]
    # An embedding is of the weights, whichever client made it.
    prompt = Prompt(points=[(20, 30)])
    check_same(again.predict(model.embed(plane), prompt), model.predict(again.embed(plane), prompt))


def test_a_search_can_be_stopped(model: PromptableModel, plane: NDArray[np.uint8]) -> None:
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    params = AutomaticParams(points_per_side=200, crop_n_layers=2, stability_score_thresh=0)
    with pytest.raises(Cancelled):
        generate_masks(model, plane, params, should_stop=should_stop)
    # The server goes on with other requests.
    assert len(model.predict(model.embed(plane), Prompt(points=[(3, 3)]))) == 3


def test_dropped_planes_are_sent_again(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    embeddings = [model.embed(np.roll(plane, i, axis=0)) for i in range(20)]
    prompt = Prompt(points=[(20, 30)])
    check_same(
        model.predict(embeddings[0], prompt), tiny_model.predict(tiny_model.embed(plane), prompt)
    )


def test_too_large_a_plane_is_refused_here(model: PromptableModel) -> None:
    with pytest.raises(InputError, match=r"has 5 MB, and the server 127.* takes 2 MB: cut"):
        model.embed(np.zeros((2500, 2000), np.uint8))


def test_wrong_names_and_precisions(server: ServerProcess) -> None:
    root = server.address.rpartition("/")[0]
    with pytest.raises(InputError, match=r"has no model 'other'; it has tiny"):
        load_model(f"{root}/other")
    with pytest.raises(InputError, match="start it with --precision bfloat16"):
        load_model(root, precision="bfloat16")
    assert load_model(root).id == "tiny"


def test_tokens(guarded_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGANY_TOKEN", raising=False)
    with pytest.raises(RemoteError, match=r"needs a token. Set .*SEGANY_TOKEN to TOKEN@127"):
        load_model(guarded_server.address)
    monkeypatch.setenv("SEGANY_TOKEN", TOKEN[:-1] + "x")
    with pytest.raises(RemoteError, match="token is not that of this server"):
        load_model(guarded_server.address)
    for value in (TOKEN, f"{TOKEN}@127.0.0.1", f"{TOKEN}@127.0.0.1:{guarded_server.port}"):
        monkeypatch.setenv("SEGANY_TOKEN", value)
        assert load_model(guarded_server.address).id == "tiny"
    monkeypatch.setenv("SEGANY_TOKEN", f"{TOKEN}@elsewhere")
    with pytest.raises(RemoteError, match="A token without a server is sent to this machine only"):
        load_model(guarded_server.address)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    with start_server("--certificate", str(certificate), "--key", str(key)) as server:
        assert server.address.startswith("https://")
        with pytest.raises(RemoteError, match=r"no certificate that this machine trusts"):
            load_model(server.address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        model = load_model(server.address)
        found = model.predict(model.embed(np.eye(50)), Prompt(points=[(20, 30)]))
        assert len(found) == 3


def test_a_server_that_ends_and_begins_again(
    tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    prompt = Prompt(points=[(20, 30)])
    with start_server() as server:
        model = load_model(server.address)
        embedding = model.embed(plane)
        before = model.predict(embedding, prompt)
        server.end()
        with pytest.raises(RemoteError, match=r"cannot be reached .*napari-segany serve"):
            model.predict(embedding, prompt)
    with start_server(port=server.port):
        check_same(model.predict(embedding, prompt), before)


def test_the_client_needs_no_torch(server: ServerProcess) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from napari_segany.core.prompts import Prompt\n"
        "from napari_segany.remote.connect import connect\n"
        "model = connect(sys.argv[1])\n"
        "found = model.predict(model.embed(np.eye(50)), Prompt(points=[(20, 30)]))\n"
        "print(len(found), model.device.type, found.low_res_logits.shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, server.address],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "HOME": "/nonexistent"},
    )
    assert done.stdout.strip() == "3 cpu (3, 32, 32)", done.stderr[-2000:]


def test_a_batch_over_the_network_has_the_same_files(
    server: ServerProcess,
    tiny_model: SamModel,
    tmp_path: Path,
    plane: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", plane if name == "a" else plane[::-1])
    images = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    options = ["--strategy", "grid", "--points-per-side", "8"]
    options += ["--pred-iou-thresh", "0", "--stability-score-thresh", "0"]
    own = ["-o", str(tmp_path / "there"), "--model", server.address, "--quiet"]
    assert main(["segment", *images, *options, *own]) == 0
    monkeypatch.setattr(registry, "load_model", lambda *_, **__: tiny_model)
    assert main(["segment", *images, *options, "-o", str(tmp_path / "here"), "--quiet"]) == 0
    names = sorted(path.name for path in (tmp_path / "here").glob("*_labels.ome.tif"))
    assert len(names) == 2
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_several_views_are_those_of_the_model_here(
    model: PromptableModel, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    far, near = MultiViewModel(SharedModel(model), 3), MultiViewModel(tiny_model, 3)
    prompts = [Prompt(points=[(20, 30)]), Prompt(box=(5, 6, 40, 60))]
    found = far.predict(far.embed(plane), prompts)
    expected = near.predict(near.embed(plane), prompts)
    for one, two in zip(found, expected, strict=True):
        check_same(one, two)
    assert searching_model(far) is searching_model(model) is not None
