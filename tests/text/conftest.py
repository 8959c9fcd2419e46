"""A real BERT and a real GPT-2, tiny and with random weights, as folders that `transformers` reads."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

TEXT = "the liver left atrium is large bright dark round and lies below beside behind of"
WORDS = ["[PAD]", "[UNK]", *TEXT.split()]


def save_tokenizer(folder, **options):
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", **options)
    tokens.save_pretrained(folder)


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **sizes)).save_pretrained(folder)
    save_tokenizer(folder, pad_token="[PAD]")
    return folder


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    torch.manual_seed(0)
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    config = GPT2Config(vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=1, **ends)
    GPT2LMHeadModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder
