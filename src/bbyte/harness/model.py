"""A bbyte checkpoint as lm-evaluation-harness wants a model: its tokens are bytes. Needs the extra `eval`.

The harness discovers no plugins. Importing this module registers the model with it as `bbyte`, so that
`lm_eval.simple_evaluate("bbyte", {"ckpt": "artifacts/checkpoints/my-run"}, tasks=[...])` works too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM  # type: ignore[import-not-found,import-untyped,unused-ignore]
from lm_eval.api.registry import register_model  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bbyte.checkpoint import store
from bbyte.checkpoint.find import Found
from bbyte.device import Runtime, place
from bbyte.errors import UsageError
from bbyte.harness.likelihood import Likelihood, Likelihoods, Progress
from bbyte.harness.writing import DEFAULT_LENGTH, END_OF_DOCUMENT, write_until, writing_of
from bbyte.models.contract import Predictor


@register_model("bbyte")
class ByteLM(TemplateLM):  # type: ignore[misc,unused-ignore]
    """Answers the three requests tasks are made of: how likely is this text, this continuation; write on.

    ckpt: a checkpoint, or the folder of a run; device, precision, threads as for training; batch_size:
    windows computed at once. Requests draw their random bytes from `seed` and their number.
    Raises what `store.load` raises, and UsageError for a family whose likelihoods are bounds.
    """

    def __init__(
        self,
        ckpt: str | Path | Found,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        batch_size: int | None = None,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> None:
        super().__init__()
        self.placement = place(Runtime(device=device, precision=precision, threads=threads))  # type: ignore[arg-type]
        self.loaded = store.load(Path(ckpt) if isinstance(ckpt, str) else ckpt, self.placement.device)
        self.likelihoods = Likelihoods(self.loaded, self.placement, batch_size)
        self.max_length = self.likelihoods.context
        self.max_gen_toks = DEFAULT_LENGTH
        self._device = self.placement.device
        self._seed, self._on_progress = seed, on_progress

    @property
    def eot_token_id(self) -> int:
        """0x00, which ends a document and begins the next."""
        return END_OF_DOCUMENT[0]

    @property
    def tokenizer_name(self) -> str:
        """There is none: tokens are bytes."""
        return "bytes"

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """The bytes of a text in UTF-8; nothing is added."""
        return list(_bytes(string))

    def tok_decode(self, tokens: Sequence[int], **kwargs: Any) -> str:
        """The text of bytes; what is not UTF-8 becomes U+FFFD."""
        return bytes(tokens).decode("utf-8", "replace")

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[Likelihood]:
        """Nats of each continuation of a context, and whether greedy decoding would write it."""
        found: list[Likelihood] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Nats of each text at the beginning of a document: those of `bbyte eval-bpb` on the same bytes.

        A long text is read in windows of the whole context that start every half of it. The harness's own
        backends place them side by side, so that the first bytes of each have next to nothing before them.
        """
        texts = [_bytes(request.args[0]) for request in requests]
        return [found.nats for found in self.likelihoods.of_documents(texts, self._on_progress)]

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, **kwargs: Any
    ) -> list[Likelihood]:
        # Where there is no context the harness gives the byte that begins a document; it always stands there.
        pairs = [
            (bytes(context) if texts[0] else b"", bytes(continuation))
            for texts, context, continuation in requests
        ]
        return self.likelihoods.of_continuations(pairs, self._on_progress)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each prompt, up to the first of the task's stop words."""
        asked = [
            (_bytes(request.args[0]), writing_of(request.args[1], self._seed + number))
            for number, request in enumerate(requests)
        ]
        predictor = self._predictor()
        done, total = 0, sum(writing.length for _, writing in asked)
        texts = []
        for prompt, writing in asked:
            with self.placement.autocast():
                texts.append(self.tok_decode(write_until(predictor, prompt, writing)))
            done += writing.length
            if self._on_progress is not None:
                self._on_progress(done, total)
        return texts

    def _predictor(self) -> Predictor:
        family = self.loaded.family
        if family.predictor is None:
            raise UsageError(
                f"{self.loaded.found.path} is of family {family.name}, which does not write on from a prompt",
                "leave out the tasks that ask for text",
            )
        return family.predictor(self.loaded.model, self.max_length, 1)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
