"""Decoders that write objects symbol by symbol: the network, its training, and what is written around a code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

pytest.importorskip("rdkit")

import metricvae as mv
from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.core.requirements import forms_for, parse_requirement
from metricvae.core.text_form import TextForm
from metricvae.decoding.decoder import AGAIN, FILE, KEY, ObjectDecoder, write_decoder
from metricvae.decoding.texts import IGNORED, CodedTexts, coded_texts, read_texts, text_of
from metricvae.decoding.training import RESUME, DecodingConfig, train_decoder
from metricvae.generation import decoded
from metricvae.generation.decoded import WritingConfig, write_around
from metricvae.generation.evolution import EvolutionConfig, evolve
from metricvae.generation.proposals import proposals_of
from metricvae.generation.screening import editor_of
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.text_form import SmilesForm
from metricvae.nn.code_exemplars import EXEMPLARS, STEP, CodeExemplars
from metricvae.nn.layers import seeded_weights
from metricvae.nn.token_decoder import BEGIN, END, FIRST_SYMBOL, TokenDecoder, TokenDecoderConfig
from metricvae.prediction.predictor import Predictor
from metricvae.search.index import read_index
from metricvae.training.checkpoint import SHIPPED, annotate
from metricvae.training.model_document import read_document, write_document
from metricvae.training.network_state import NetworkProgress

TINY = TokenDecoderConfig(width=48, layers=2, heads=4, shown=2, longest=80)
QUICK = DecodingConfig(TINY, steps=12, batch_texts=16, evaluate_every=6, warmup_steps=2, threads=1)
BY_HEART = replace(QUICK, steps=1500, batch_texts=32, evaluate_every=500, warmup_steps=10, noise=0.3, average_decay=0.9)


@pytest.fixture(scope="module")
def smiles() -> list[str]:
    return [SmilesForm().read(one).smiles for one in stream_smiles(120, 3)]


@pytest.fixture(scope="module")
def folder(smiles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a decoder that was hardly trained."""
    made = tmp_path_factory.mktemp("decoder")
    for name in ("model", "plain"):
        shutil.copytree(SHIPPED / "molecules-2d", made / name, ignore=shutil.ignore_patterns(FILE))
        document = read_document(made / name)
        document["calibration"].pop(KEY, None)
        write_document(made / name, document)
    predictor = Predictor.load(made / "model")
    with pytest.raises(InputError, match="has no decoder"):
        ObjectDecoder(predictor)
    codes = predictor.encode([flat(one) for one in smiles], "right").codes
    trained = train_decoder(coded_texts(smiles, codes, SmilesForm(), 80), QUICK, made)
    annotate(made / "model", calibration=write_decoder(trained, made / "model"))
    return made


@pytest.fixture(scope="module")
def texts(smiles: list[str]) -> CodedTexts:
    codes = torch.randn(len(smiles), 5, generator=torch.Generator().manual_seed(0))
    return coded_texts(smiles, codes, SmilesForm(), 80)


class SignForm(TextForm):
    """A letter for the sign of each number of a code."""

    column = "signs"

    def symbols(self, text: str) -> list[str]:
        return list(text)

    def read(self, text: str) -> str:
        return text


def network(symbols: int = 9, seed: int = 0) -> TokenDecoder:
    with seeded_weights(seed):
        return TokenDecoder(TINY, 5, symbols).eval()


def test_symbols_joined_are_the_text_again() -> None:
    form = SmilesForm()
    for text in [*stream_smiles(40, 5), "C[N+](C)(C)CC(=O)[O-]", "C%12CC%12", "[nH]1cccc1Br", "N[C@@H](C)C(=O)O"]:
        assert "".join(form.symbols(text)) == text
    assert form.symbols("ClC[C@H]%10Br") == ["Cl", "C", "[C@H]", "%10", "Br"]


def test_each_symbol_depends_on_those_before_it_alone() -> None:
    codes, tokens = torch.randn(3, 5), torch.randint(2, 11, (3, 12))
    tokens[:, 0] = BEGIN
    changed = tokens.clone()
    changed[:, 7:] = 3
    before, after = (network()(codes, each) for each in (tokens, changed))
    assert torch.allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert not torch.allclose(before[:, 7:], after[:, 7:], atol=1e-3)
    assert not torch.allclose(before, network()(codes + 1, tokens), atol=1e-3)


def test_texts_are_drawn_as_the_network_foretells_them() -> None:
    """The likeliest symbol by symbol, with remembered keys, is what the whole network says of the whole text."""
    codes = 3 * torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    model = network(seed=2)
    for row, text in enumerate(model.sample(codes, torch.Generator(), temperature=0)):
        tokens = torch.tensor([[BEGIN, *text]])[:, : TINY.longest + 1]
        logits = model(codes[[row]], tokens)[0]
        logits[:, BEGIN] = -torch.inf
        wanted = [*text, END][: TINY.longest]
        assert logits.argmax(1).tolist()[: len(wanted)] == wanted
    drawn = [model.sample(codes, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    with pytest.raises(InputError, match="temperature"):
        model.sample(codes, torch.Generator(), temperature=-1.0)


def test_texts_come_with_their_codes(texts: CodedTexts, smiles: list[str]) -> None:
    lengths = [len(one) for one in texts.tokens]
    assert lengths == sorted(lengths)
    known = coded_texts(smiles, torch.arange(float(len(smiles)))[:, None], SmilesForm(), 80)
    for row in range(len(known)):
        assert text_of(known.tokens[row].tolist(), known.vocabulary) == smiles[int(known.codes[row])]
    codes, given, wanted = texts.batch(np.array([0, len(texts) - 1]))
    assert codes.shape == (2, 5)
    assert given[:, 0].tolist() == [BEGIN, BEGIN]
    assert wanted[0, lengths[0]] == END
    assert set(wanted[0, lengths[0] + 1 :].tolist()) <= {IGNORED}
    assert given[1, 1:].tolist() == wanted[1, :-1].tolist()
    with pytest.raises(InputError, match="to learn from"):
        coded_texts(smiles, torch.zeros(len(smiles), 1), SmilesForm(), 3)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(texts: CodedTexts, tmp_path: Path) -> None:
    whole = train_decoder(texts, QUICK, tmp_path)
    (tmp_path / RESUME).unlink()

    def stop(now: NetworkProgress) -> None:
        if now.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_decoder(texts, QUICK, tmp_path, on_progress=stop)
    again = train_decoder(texts, QUICK, tmp_path)
    assert again.facts["nats_a_symbol"] == whole.facts["nats_a_symbol"]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    with pytest.raises(InputError, match="other settings or data"):
        train_decoder(texts, replace(QUICK, seed=1), tmp_path)


def test_a_decoder_writes_what_unseen_codes_mean(tmp_path: Path) -> None:
    codes = torch.randn(700, 10, generator=torch.Generator().manual_seed(0))
    codes = codes + 0.3 * codes.sign()
    texts = ["".join("ab"[int(one > 0)] for one in row) for row in codes]
    config = replace(QUICK, steps=150, batch_texts=64, evaluate_every=150, noise=0.05, average_decay=0.9)
    trained = train_decoder(coded_texts(texts[:600], codes[:600], SignForm(), 20), config, tmp_path)
    tokens = trained.network.sample(codes[600:], torch.Generator(), temperature=0)
    written = [text_of(one, trained.vocabulary) for one in tokens]
    assert np.mean([one == text for one, text in zip(written, texts[600:], strict=True)]) > 0.9


def test_a_training_goes_on_from_another_decoder(tmp_path: Path) -> None:
    """Where no weight moves, what is written stays the same, though there are other codes and a further symbol."""
    codes = torch.randn(600, 10, generator=torch.Generator().manual_seed(0))
    texts = ["".join("ab"[int(one > 0)] for one in row) for row in codes]
    known = coded_texts(texts, codes, SignForm(), 20)
    first = train_decoder(known, replace(QUICK, steps=100, batch_texts=64, learning_rate=5e-3), tmp_path)
    (tmp_path / RESUME).unlink()
    others = coded_texts([f"A{one}" for one in texts], 2 * codes + 1, SignForm(), 20, first.vocabulary)
    still = replace(QUICK, learning_rate=0.0, matrix_learning_rate=0.0)
    then = train_decoder(others, still, tmp_path, start=first.network)
    assert then.vocabulary == (*first.vocabulary, "A") == ("a", "b", "A")
    assert torch.equal(then.network.code_mean, first.network.code_mean)
    before, after = (one.network(codes, torch.full((600, 1), BEGIN))[..., : FIRST_SYMBOL + 2] for one in (first, then))
    assert torch.equal(before, after)
    assert float((then.network.exemplars.center - first.network.exemplars.center).abs().max()) > 0.5
    again = train_decoder(others, still, tmp_path, start=first.network)
    assert again.facts == then.facts
    for other in (None, then.network):
        with pytest.raises(InputError, match="other settings or data"):
            train_decoder(others, still, tmp_path, start=other)
    wider = replace(still, network=replace(TINY, width=64))
    with pytest.raises(InputError, match=r"decoder to begin with has .*width=48.*expected .*width=64"):
        train_decoder(others, wider, tmp_path, start=first.network)
    with pytest.raises(InputError, match="decoder to begin with"):
        train_decoder(known, still, tmp_path, start=then.network)


def test_texts_that_mean_nothing_are_drawn_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third text means an object, so that all codes have one after a few rounds, and each keeps its own."""
    decoder = ObjectDecoder(Predictor.load(folder / "model"))
    asked: list[tuple[list[float], float]] = []
    texts = ("C" * (4 + number) if number % 3 == 0 else "(" for number in range(1000))

    def write(codes: torch.Tensor, _: torch.Generator, temperature: float) -> list[str]:
        asked.append((codes[:, 0].tolist(), temperature))
        return [next(texts) for _ in codes]

    monkeypatch.setattr(decoder, "texts", write)
    codes = torch.arange(7.0)[:, None].expand(7, decoder.network.code_mean.numel())
    made = decoder.decode(codes, torch.Generator(), temperature=0)
    assert [str(one) for one in made[::3]] == [str(flat("C" * (4 + number))) for number in (0, 3, 6)]
    assert None not in made
    assert asked[:2] == [([0, 1, 2, 3, 4, 5, 6], 0), ([1, 2, 4, 5], AGAIN)]
    assert decoder.decode(codes[:2], torch.Generator(), tries=1).count(None) >= 1
    assert len(decoder.sample(9, torch.Generator())) == 9


@pytest.mark.parametrize(("count", "width"), [(3000, 24), (EXEMPLARS, 7), (130, 24), (40, 1)])
def test_codes_are_drawn_around_those_of_the_training(count: int, width: int) -> None:
    """Two crossed lines in a plane, which no normal distribution holds, and noise along all other axes."""
    chance = torch.Generator().manual_seed(0)
    codes = 0.1 * torch.randn(count, width, generator=chance)
    codes[torch.arange(count), torch.arange(count) % min(2, width)] += 20 * torch.rand(count, generator=chance) - 10
    exemplars, again = CodeExemplars(width), CodeExemplars(width)
    for one in (exemplars, again):
        one.fit(codes)
    assert all(torch.equal(one, two) for one, two in zip(exemplars.buffers(), again.buffers(), strict=True))
    every = -(-count // EXEMPLARS)
    assert int(exemplars.count) == len(codes[::every])
    kept, spread = exemplars.codes(torch.arange(int(exemplars.count))), codes.std(0, correction=0)
    near = (codes[::every] - codes.mean(0)).abs() <= 3 * spread  # others are cut
    assert bool(((kept - codes[::every]).abs() <= 0.5 * STEP * spread + 1e-4)[near].all())
    start = codes.mean(0) + spread * torch.randn(5_000, width, generator=chance)
    drawn = exemplars.place(start, torch.Generator().manual_seed(1))
    assert torch.allclose(drawn.std(0), spread, rtol=0.1)
    if width > 1 and count > 1_000:
        apart = (drawn[:, :2] / spread[:2]).abs().amin(1), (start[:, :2] / spread[:2]).abs().amin(1)
        assert apart[0].mean() < 0.7 * apart[1].mean()  # near one of both lines


def test_codes_of_proposals_lie_between_parents_or_around_one(
    folder: Path, smiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load(folder / "model")
    editor, parents = editor_of(predictor.kind("right")), [flat(one) for one in smiles[:3]]
    asked: list[torch.Tensor] = []

    def decode(_: object, codes: torch.Tensor, *__: object) -> list[object]:
        asked.append(codes)
        return [parents[0], None] * (len(codes) // 2)

    monkeypatch.setattr(ObjectDecoder, "decode", decode)
    for _ in range(2):
        proposals = proposals_of(predictor, editor, 7)
        assert proposals is not None
        assert proposals.propose([], 4) == []
        assert len(proposals.propose(parents, 200)) == 100
    assert torch.equal(asked[0], asked[1])
    ends = predictor.encode(parents, "right").codes
    lines = [ends[b] - ends[a] for a, b in ((0, 1), (0, 2), (1, 2))]
    off = [
        min(
            float(((code - ends[a]) - (code - ends[a]) @ way / (way @ way) * way).norm())
            for a, way in zip((0, 0, 1), lines, strict=True)
        )
        for code in asked[0]
    ]
    between = np.array(off) < 1e-3
    assert 0.3 < between.mean() < 0.8
    scale = float(proposals.decoder.network.code_scale) * ends.shape[1] ** 0.5
    around = torch.cdist(asked[0][torch.from_numpy(~between)], ends).min(1).values
    assert float(around.max()) < 0.8 * scale
    assert proposals_of(Predictor.load(folder / "plain"), editor, 7) is None


@pytest.mark.slow
def test_the_command_line_trains_a_decoder_on_an_index(
    folder: Path, smiles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SHIPPED / "molecules-2d", tmp_path / "model")
    (tmp_path / "library.smi").write_text("".join(f"{one} m{n}\n" for n, one in enumerate(smiles)))
    model, index = str(tmp_path / "model"), str(tmp_path / "index")
    assert main(["index", model, str(tmp_path / "library.smi"), "--out", index, "--workers", "1"]) == 0
    sizes = ["--decoding.network.width", "48", "--decoding.network.layers", "2", "--decoding.steps", "20"]
    assert main(["train", index, "--decoder", model, *sizes]) == 0
    assert not (tmp_path / "model" / RESUME).exists()
    card = (tmp_path / "model" / "README.md").read_text()
    assert card.count("| decoder |") == 1
    assert "2 layers, width 48; learned 1" in card
    assert "texts in 20 steps" in card
    decoder, predictor = ObjectDecoder(Predictor.load(tmp_path / "model")), Predictor.load(tmp_path / "model")
    known = read_texts(read_index(tmp_path / "index"), SmilesForm(), 80)
    molecule = SmilesForm().read(text_of(known.tokens[7].tolist(), known.vocabulary))
    code = predictor.encode([molecule], "right").codes[0]
    assert functional.cosine_similarity(code, known.codes[7], dim=0) > 0.999
    assert decoder.texts(known.codes[:2], torch.Generator())
    shipped, copy = "molecules-2d", str(tmp_path / "copy")
    for steps in ("2", "3"):  # into a new folder, then into one that holds such a model
        go_on = ["train", index, "--decoder", shipped, "--start", shipped, "--out", copy, "--decoding.steps", steps]
        assert main(go_on) == 0
    known_by, mine = (ObjectDecoder(Predictor.load(one)) for one in (shipped, copy))
    assert mine.network.config == known_by.network.config != decoder.network.config
    assert mine.vocabulary[: len(known_by.vocabulary)] == known_by.vocabulary
    assert (
        "texts in 3 steps, begun with the weights of another decoder" in (tmp_path / "copy" / "README.md").read_text()
    )
    shutil.copytree(SHIPPED / "pocket-fit", tmp_path / "other")
    for out, start, said in (
        (copy, "molecules", "has no decoder"),
        (str(tmp_path / "other"), shipped, "holds another model"),
        (str(tmp_path / "index"), shipped, "index"),
    ):
        assert main(["train", index, "--decoder", shipped, "--start", start, "--out", out]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]


def test_objects_are_decoded_and_drawn_from_python(folder: Path, smiles: list[str]) -> None:
    model = mv.load(folder / "model")
    codes = model.encode(smiles[:5])
    written = model.decode(codes, temperature=0)
    assert len(written) == 5
    assert [str(one) for one in written] == [str(one) for one in model.decode(codes, temperature=0)]
    drawn, again = (model.sample(20, temperature=0.5, seed=3) for _ in range(2))
    assert [one.smiles for one in drawn] == [one.smiles for one in again]
    assert all(isinstance(one, Molecule) for one in drawn)
    with pytest.raises(InputError, match="has no decoder"):
        mv.load(folder / "plain").sample(3)


def test_all_answers_are_measured_though_few_are_at_once(
    smiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load("molecules-2d")
    write_sdf(tmp_path / "ref.sdf", conform(smiles[0], 1))
    shape = parse_requirement(f"shape:{tmp_path / 'ref.sdf'}>=0", forms_for(predictor.kind("right")))
    editor = editor_of(predictor.kind("right"))
    editor.encoded_at_once = 3
    monkeypatch.setattr(decoded, "editor_of", lambda _: editor)
    found = write_around(predictor, SmilesForm().read(smiles[0]), [shape], 5, WritingConfig(tries=2))
    assert len(found.answers) == 5


def test_a_damaged_decoder_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    document = read_document(tmp_path / "model")
    document["calibration"][KEY]["vocabulary"] = ["C", ""]
    write_document(tmp_path / "model", document)
    with pytest.raises(InputError, match="no list of short texts"):
        ObjectDecoder(Predictor.load(tmp_path / "model"))
    with open(tmp_path / "model" / FILE, "r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError):
        ObjectDecoder(Predictor.load(tmp_path / "model"))


def test_what_cannot_be_decoded_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped, model = ["train", "index", "--decoder", "molecules-2d"], str(folder / "model")
    for words, said in (
        (shipped, "ships with metricvae"),
        (["train", "index", "--decoder", model, "--aligner", model], "expected one of"),
        (["train", "index", "--decoder", "molecules-2d", "--out", str(SHIPPED / "x")], "ships with metricvae"),
        (["train", str(folder), "--decoder", model], "index"),
        (["generate", str(folder / "plain"), "--around", "CCCCO", "--out", str(folder / "none")], "has no decoder"),
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (folder / "none").exists()


@pytest.mark.slow
def test_a_decoder_that_learned_writes_what_it_learned(
    folder: Path, smiles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model")
    codes = predictor.encode([flat(one) for one in smiles], "right").codes
    trained = train_decoder(coded_texts(smiles, codes, SmilesForm(), 80), BY_HEART, tmp_path)
    annotate(tmp_path / "model", calibration=write_decoder(trained, tmp_path / "model"))
    decoder = ObjectDecoder(Predictor.load(tmp_path / "model"))
    written = decoder.texts(codes, torch.Generator(), temperature=0)
    assert np.mean([a == b for a, b in zip(written, smiles, strict=True)]) > 0.7
    words = ["generate", str(tmp_path / "model"), "--between", smiles[60], smiles[90], "-n", "6"]
    assert main([*words, "--out", str(tmp_path / "way")]) == 0
    answers = json.loads((tmp_path / "way" / "answers.json").read_text())["answers"]
    assert answers
    assert not {one["object"] for one in answers} & {smiles[60], smiles[90]}
    capsys.readouterr()
    asked = [parse_requirement("qed=max", forms_for(predictor.kind()))]
    config = EvolutionConfig(seconds=120, evaluations=150, decoded=1.0)
    found = evolve(Predictor.load(tmp_path / "model"), asked, 4, config)
    assert found.generations > 0
    assert found.answers[0].readings[0].value > 0.5
