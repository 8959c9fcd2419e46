"""Texts about a new organ: by a language model, or from what was measured of its labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llmsegnet_bundle.cases.survey import ScanFacts

QUESTIONS = (
    "Describe the shape and size of the {organ} in {modality} images, in 40 words.",
    "Describe how bright the {organ} is in {modality} images compared with its neighbors, in 40 words.",
    "Where does the {organ} lie, and which structures beside it must be left out of its segmentation? 40 words.",
    "How are the borders of the {organ} found in {modality} images, and where are they unclear? 40 words.",
)
NEW_TOKENS = 90


def ask(language_model: str | Path, organ: str, modality: str) -> list[str]:
    """Return what a causal language model answers to `QUESTIONS`, greedily, a text each.

    Args:
        language_model: a Hugging Face id, a local folder, or a GGUF file.
        organ: such as "liver".
        modality: such as "CT".

    Raises:
        ValueError: when the model cannot be loaded or answers nothing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds to import

    path = Path(language_model)
    source, options = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (language_model, {})
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model = AutoModelForCausalLM.from_pretrained(source, **options).eval()
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"language_model: {language_model} cannot be loaded ({reason})") from None
    texts = []
    for question in QUESTIONS:
        prompt = question.format(organ=organ, modality=modality)
        if tokenizer.chat_template:
            chat = [{"role": "user", "content": prompt}]
            prompt = str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        tokens = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            answer = model.generate(**tokens, max_new_tokens=NEW_TOKENS, do_sample=False)
        told = str(tokenizer.decode(answer[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True))
        if told.strip():
            texts.append(" ".join(told.split()))
    if not texts:
        raise ValueError(f"language_model: {language_model} answered nothing; take another, or leave it out")
    return texts


def describe(facts: Sequence[ScanFacts], organ: str, modality: str) -> list[str]:
    """Return texts that say what the labels of `facts` measure, for use without a language model."""
    filled = [scan for scan in facts if scan.extent_mm]
    volumes_ml = [scan.volume_ml for scan in filled if scan.volume_ml is not None]
    extents_mm = np.median([scan.extent_mm for scan in filled if scan.extent_mm], axis=0)
    values = np.concatenate([scan.intensities for scan in filled])
    unit = " HU" if modality.upper() == "CT" else ""
    low, middle, high = (f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)))
    across, along, tall = (f"{extent:.0f}" for extent in extents_mm)
    return [
        f"Segment the {organ} in {modality} images, and nothing else: neighboring structures belong to the background.",
        f"The {organ} has a volume of about {np.median(volumes_ml):.0f} ml, between {min(volumes_ml):.0f} and "
        f"{max(volumes_ml):.0f} ml in the labeled scans.",
        f"The {organ} extends about {across} mm from left to right, {along} mm from back to front and {tall} mm from "
        "bottom to top.",
        f"In {modality} images the {organ} has a median intensity of {middle}{unit}; most of it lies between {low} and "
        f"{high}{unit}.",
    ]
