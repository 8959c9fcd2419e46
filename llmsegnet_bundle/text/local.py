"""A language model on this machine, asked through `transformers`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmsegnet_bundle.text.models import load_pretrained, model_name, model_revision

DECODING = {"max_new_tokens": 120, "do_sample": False}


class LocalModel:
    """A causal language model out of the hub's cache, a folder or a GGUF file.

    Args:
        source: a Hugging Face id, a local folder, or a GGUF file.
        decoding: options of `generate`; None for `DECODING`, greedy.
        seed: of each answer, where decoding samples.

    Raises:
        ValueError: when the model cannot be loaded.
    """

    def __init__(self, source: str | Path, decoding: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds to import

        self.source, self.seed = source, seed
        self.decoding = dict(DECODING if decoding is None else decoding)
        self.tokenizer = load_pretrained(AutoTokenizer, source, "model")
        self.model = load_pretrained(AutoModelForCausalLM, source, "model").eval()
        self.name = model_name(source)

    def answer(self, prompt: str) -> str:
        """Return the model's answer, as it came.

        Raises:
            ValueError: when the model does not take its decoding options.
        """
        import torch

        if self.tokenizer.chat_template:
            chat = [{"role": "user", "content": prompt}]
            prompt = str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        tokens = self.tokenizer(prompt, return_tensors="pt")
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            try:
                ids = self.model.generate(**tokens, **self.decoding)
            except (TypeError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ValueError(f"decoding: {self.decoding} is not what {self.name} takes ({reason})") from None
        return str(self.tokenizer.decode(ids[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True))

    def origin(self) -> dict[str, Any]:
        """Return what the texts file tells of the model."""
        return {"model": self.name, "revision": model_revision(self.source), "decoding": self.decoding}
