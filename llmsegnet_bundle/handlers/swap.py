"""The swap test: whether a network heeds its text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Events
from monai.engines import SupervisedEvaluator, Workflow
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from llmsegnet_bundle.documents import EVALUATION_JSON, read_json
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.metrics.case import class_dice
from llmsegnet_bundle.networks import LLMSegNet
from llmsegnet_bundle.text import load_embedding

NEXT = "next"


class SwapText:
    """Segment each case of an evaluation once more with another text, and tell how much Dice it costs.

    Near 0 the network does not heed its text; with paraphrases of the right texts that is what one wants. The numbers,
    by organ, go into `evaluation.json`, which the report and the ablation's table show. Attach it after
    `CaseMetricsHandler`, which writes that file.

    Args:
        swap_text: "next" for the text of the next organ of a network for several, an embedding file for the texts of
            that (paraphrases, or another organ's), or a list of these; None for no test.
        classes: names of all classes, background first; Dice is the mean over the others.
        organs: names of a network for several.
        output_dir: of `evaluation.json`.
        network: whose text is swapped.

    Raises:
        ValueError: when "next" is asked of a network for one organ, or a file has other organs, classes or sizes.
    """

    def __init__(
        self,
        swap_text: str | Sequence[str] | None,
        classes: Sequence[str],
        organs: Sequence[str],
        output_dir: str | Path,
        network: nn.Module,
    ) -> None:
        asked = [swap_text] if isinstance(swap_text, str) else list(swap_text or ())
        self.classes, self.organs = list(classes), list(organs)
        self.output_dir = Path(output_dir)
        members = [module for module in network.modules() if isinstance(module, LLMSegNet) and module.has_text]
        self.texts = {word if word == NEXT else Path(word).name: _other_text(word, members) for word in asked}
        self.dice: dict[str, dict[str, list[float]]] = {}

    def attach(self, engine: Workflow) -> None:
        if self.texts:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self)
            engine.add_event_handler(Events.COMPLETED, self.write)

    def __call__(self, engine: SupervisedEvaluator) -> None:
        for case, item in zip(engine.state.batch, engine.state.output, strict=True):
            organ = case.get("organ")  # (1,)
            name = "all" if organ is None else self.organs[int(organ)]
            text = () if organ is None else (organ[None].to(engine.state.device),)
            self._add("right", name, item)
            for word, rows in self.texts.items():
                with _swapped(engine.network, rows), eval_mode(engine.network):
                    answer = engine.inferer(item["image"][None].to(engine.state.device), engine.network, *text)
                mask = answer["pred"] if isinstance(answer, Mapping) else answer  # beside maps of uncertainty
                self._add(word, name, {**item, "pred": mask[0]})

    def write(self, engine: Workflow) -> None:
        """Add the means to `evaluation.json`, and print a line for each swap."""
        means = {
            word: {name: float(np.mean(values)) for name, values in sorted(by_organ.items())}
            for word, by_organ in self.dice.items()
        }
        costs = {
            word: {name: means["right"][name] - value for name, value in means[word].items()} for word in self.texts
        }
        for word, cost in costs.items():
            told = ", ".join(f"{name} {means['right'][name]:.4f} - {means[word][name]:.4f}" for name in cost)
            print(f"swap test, {word}: Dice {np.mean(list(cost.values())):+.4f} with the right text ({told})")
        file = self.output_dir / "evaluation.json"
        content: dict[str, Any] = {}
        with suppress(ValueError):  # missing, or damaged: no reason to lose what was scored
            content = read_json(file, "", EVALUATION_JSON)
        content |= {"swap_text": {word: float(np.mean(list(cost.values()))) for word, cost in costs.items()}}
        content |= {"dice_by_text": means}
        write_texts(self.output_dir, {file.name: json.dumps(content, indent=2) + "\n"})

    def _add(self, word: str, name: str, item: dict[str, Any]) -> None:
        scores = class_dice(item["pred"][0].cpu().numpy(), item["label"][0].cpu().numpy(), self.classes)
        dice = float(np.mean([score["dice"] for score in scores.values()]))
        self.dice.setdefault(word, {}).setdefault(name, []).append(dice)


def _other_text(word: str, members: Sequence[LLMSegNet]) -> Tensor:
    if not members:
        raise ValueError("swap_text: this network has no text to swap; leave the setting away")
    own, organs = members[0].text_embedding, members[0].organs
    if word == NEXT:
        if organs < 2:
            raise ValueError("swap_text: next needs a network for several organs; give an embedding file")
        return own.roll(-len(own) // organs, 0)
    other = load_embedding(word, "swap_text")
    if other is None or (len(other) if other.ndim == 4 else 1) != organs:
        raise ValueError(f"swap_text: {word} must have texts of {organs} organs, as the network has")
    rows = other.flatten(0, 1) if other.ndim == 4 else other
    if rows.ndim != own.ndim or rows.shape[-1] != own.shape[-1] or rows.shape[:-2] != own.shape[:-2]:
        raise ValueError(f"swap_text: {word} is {list(rows.shape)}, the network's text {list(own.shape)}")
    return rows


@contextmanager
def _swapped(network: nn.Module, rows: Tensor) -> Iterator[None]:
    members = [module for module in network.modules() if isinstance(module, LLMSegNet)]
    kept = [member.text_embedding for member in members]
    try:
        for member in members:
            member.text_embedding = rows.to(member.text_embedding)
        yield
    finally:
        for member, text in zip(members, kept, strict=True):
            member.text_embedding = text
