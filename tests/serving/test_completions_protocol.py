"""OpenAI's client against the server: what it gets is what `bbyte generate` and `bbyte eval-bpb` give."""

import json
import math
import random

import pytest
from engine_models import SHAPES, packed

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
openai = pytest.importorskip("openai")

from running_server import Counting, of_predictor, opened, running, until  # noqa: E402

from bbyte.cli import main  # noqa: E402
from bbyte.serving.limits import Limits  # noqa: E402

PROMPT = "Once upon a time"
SETTINGS = {"temperature": 0.9, "seed": 5, "max_tokens": 80, "extra_body": {"top_k": 50}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "small"
    packed(folder, SHAPES["grouped"])
    return folder


@pytest.fixture(scope="module")
def client(folder):
    with running(opened(folder)) as url:
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def ask(client, prompt=PROMPT, **settings):
    return client.completions.create(model="small", prompt=prompt, **{**SETTINGS, **settings})


def generated(capfdbinary, folder, *words, prompt=PROMPT):
    settings = ("--seed=5", "--temperature=0.9", "--top-k=50", "--max-new-tokens=80", "--no-echo", "-q")
    assert main(["generate", "--ckpt", str(folder), "--prompt", prompt, *settings, *words]) == 0
    return capfdbinary.readouterr().out


def bytes_of(choice):
    return bytes(choice.token_ids)


def test_a_completion_is_what_generate_writes(client, folder, capfdbinary):
    expected = generated(capfdbinary, folder)
    answer = ask(client, extra_body={"top_k": 50, "return_token_ids": True})
    (choice,) = answer.choices
    assert bytes_of(choice) == expected
    assert choice.text == expected.decode("utf-8", "replace")
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert (answer.object, answer.model, answer.seed) == ("text_completion", "small", 5)
    assert answer.usage.to_dict() == {"prompt_tokens": 16, "completion_tokens": 80, "total_tokens": 96}


@pytest.mark.parametrize("more", [{}, {"logprobs": 2}, {"n": 3}, {"echo": True, "logprobs": 0}])
def test_a_stream_is_the_whole_in_pieces(client, more):
    whole = ask(client, **more)
    texts, costs, reasons = {}, {}, {}
    *chunks, last = ask(client, stream=True, stream_options={"include_usage": True}, **more)
    for chunk in chunks:
        assert chunk.usage is None
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            if choice.logprobs:
                costs.setdefault(choice.index, []).extend(choice.logprobs.token_logprobs)
            reasons[choice.index] = choice.finish_reason
    assert last.choices == [] and last.usage == whole.usage
    assert texts == {choice.index: choice.text for choice in whole.choices}
    assert reasons == {choice.index: "length" for choice in whole.choices}
    if "logprobs" in more:
        assert costs == {choice.index: choice.logprobs.token_logprobs for choice in whole.choices}


def test_several_texts_are_the_samples_of_generate(client, folder, capfdbinary):
    shown = generated(capfdbinary, folder, "--num-samples", "3")
    answer = ask(client, n=3, extra_body={"top_k": 50, "return_token_ids": True})
    for choice in answer.choices:
        assert b"== sample %d of 3 ==\n" % (choice.index + 1) + bytes_of(choice) + b"\n" in shown
    assert answer.usage.completion_tokens == 240


def test_a_list_of_prompts_is_answered_in_its_order(client):
    prompts = ["Once", "Twice upon", "été"]
    together = ask(client, prompts, n=2)
    apart = [choice.text for prompt in prompts for choice in ask(client, prompt, n=2).choices]
    assert [choice.index for choice in together.choices] == list(range(6))
    assert [choice.text for choice in together.choices] == apart
    assert together.usage.prompt_tokens == sum(len(prompt.encode()) for prompt in prompts)
    in_bytes = [list(prompt.encode()) for prompt in prompts]
    assert [choice.text for choice in ask(client, in_bytes, n=2).choices] == apart
    assert ask(client, in_bytes[2], n=2).choices[0].text == apart[4]


def test_it_ends_before_a_stop_text(client):
    whole = ask(client, extra_body={"top_k": 50, "return_token_ids": True}, temperature=0.2)
    text = bytes_of(whole.choices[0]).decode("ascii", "ignore")
    stop = text[20:22]
    ended = ask(client, temperature=0.2, stop=["never there", stop])
    assert ended.choices[0].finish_reason == "stop"
    assert ended.choices[0].text == whole.choices[0].text.partition(stop)[0]
    assert ended.usage.completion_tokens < 80
    pieces = list(ask(client, temperature=0.2, stop=stop, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == ended.choices[0].text
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_what_a_text_costs_is_what_eval_counts(client, folder, tmp_path, capsys):
    text = bytes(random.Random(1).choices(range(32, 127), k=150))
    (tmp_path / "text").write_bytes(text)
    assert main(["eval-bpb", str(folder), "--exact", "--data", str(tmp_path / "text"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = found if isinstance(found, list) else next(v for v in found.values() if isinstance(v, list))
    answer = ask(client, text.decode(), echo=True, max_tokens=0, logprobs=1)
    costs = answer.choices[0].logprobs
    bits = -sum(costs.token_logprobs) / math.log(2)
    assert bits / len(text) == pytest.approx(rows[0]["bits_per_byte"], rel=1e-6)
    assert "".join(costs.tokens) == answer.choices[0].text == text.decode()
    assert answer.usage.completion_tokens == 0


def test_costs_of_what_is_written(client):
    greedy = ask(client, temperature=0, logprobs=3, max_tokens=20, extra_body={})
    costs = greedy.choices[0].logprobs
    for token, cost, likely in zip(costs.tokens, costs.token_logprobs, costs.top_logprobs, strict=True):
        assert len(likely) == 3 and max(likely, key=likely.get) == token and likely[token] == cost
    echoed = ask(client, "é" + PROMPT, temperature=0, logprobs=0, max_tokens=1, echo=True, extra_body={})
    first = echoed.choices[0].logprobs
    assert first.tokens[:3] == ["bytes:\\xc3", "bytes:\\xa9", "O"]
    assert first.text_offset[:4] == [0, 0, 1, 2]
    assert [list(one) for one in first.top_logprobs[:2]] == [["bytes:\\xc3"], ["bytes:\\xa9"]]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"best_of": 3}, "best_of is not supported"),
        ({"logit_bias": {"65": 5}}, "logit_bias is not supported"),
        ({"suffix": "the end"}, "suffix is not supported"),
        ({"presence_penalty": 0.5}, "presence_penalty is not supported"),
        ({"extra_body": {"temprature": 1}}, "unknown field 'temprature': did you mean temperature?"),
        ({"temperature": -1}, "temperature -1"),
        ({"top_p": 0}, "top_p 0 is not above 0"),
        ({"n": 0}, "n 0 is not at least 1"),
        ({"n": 17}, "17 texts are asked for; this server writes at most 16 at once"),
        ({"max_tokens": 1 << 20}, "this server writes at most 16384"),
        ({"max_tokens": 0}, "max_tokens 0 asks for nothing"),
        ({"logprobs": 99}, "logprobs 99 is not between 0 and 20"),
        ({"stop": ["a"] * 5}, "stop is neither a text nor a list of up to 4"),
        ({"stop": ""}, "stop is neither"),
        ({"seed": -1}, "seed -1 is not between 0"),
        ({"prompt": [256]}, "prompt is neither text nor a list of bytes"),
        ({"prompt": "x" * 70000}, "prompt has 70000 bytes; this server takes at most 65536"),
        ({"stream_options": {"include_usage": True}}, "stream_options are for stream: true"),
        ({"extra_body": {"utf8": "maybe"}}, "utf8 is 'maybe', expected one of any, valid"),
    ],
)
def test_what_it_does_not_do_it_says(client, fields, sentence):
    with pytest.raises(openai.BadRequestError, match=r"^Error code: 400") as error:
        client.completions.create(**{"model": "small", "prompt": PROMPT, **fields})
    assert sentence in error.value.body["message"]


def test_what_asks_for_nothing_is_no_mistake(client):
    nothing = {"best_of": 1, "logit_bias": {}, "suffix": "", "presence_penalty": 0, "user": "me", "stop": []}
    assert ask(client, **nothing).choices == ask(client).choices


def test_a_seed_of_its_own_is_told(client):
    first, second = (client.completions.create(model="small", prompt="a", max_tokens=30) for _ in "ab")
    assert first.seed != second.seed
    again = client.completions.create(model="small", prompt="a", max_tokens=30, seed=first.seed)
    assert again.choices[0].text == first.choices[0].text


def test_the_models(client):
    (card,) = client.models.list()
    assert (card.id, card.owned_by, card.family, card.context, card.fills_holes) == (
        "small", "bbyte", "ar", 64, False,
    )  # fmt: skip
    assert client.models.retrieve("small") == card
    with pytest.raises(openai.NotFoundError, match="there is no model 'other' here, only 'small'"):
        client.completions.create(model="other", prompt="a")
    with pytest.raises(openai.NotFoundError, match="the only model here is 'small'"):
        client.models.retrieve("other")


def test_a_key(folder):
    with running(opened(folder), key="open-sesame") as url:
        for wrong in ("open", "open-sesame-", "öpen"):
            with pytest.raises((openai.AuthenticationError, UnicodeEncodeError)):
                openai.OpenAI(base_url=f"{url}/v1", api_key=wrong, max_retries=0).models.list()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="open-sesame", max_retries=0)
        assert ask(client, max_tokens=1).choices[0].finish_reason == "length"


def test_one_too_many_is_told_to_come_again():
    with running(of_predictor(Counting), limits=Limits(max_requests=1)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with client.completions.create(model="toy", prompt="a", max_tokens=16384, stream=True) as pieces:
            next(iter(pieces))
            with pytest.raises(openai.InternalServerError, match="come again in a moment") as refused:
                client.completions.create(model="toy", prompt="a")
            assert refused.value.status_code == 503
            assert refused.value.response.headers["retry-after"] == "1"
        patient = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=5)
        assert patient.completions.create(model="toy", prompt="a").usage.completion_tokens == 16


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_ends_its_text(stream):
    counting = Counting(1)
    with running(of_predictor(lambda lanes: counting)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        long = {"model": "toy", "prompt": "a", "max_tokens": 16384}
        if stream:
            with client.completions.create(**long, stream=True) as pieces:
                next(iter(pieces))
        else:
            with pytest.raises(openai.APITimeoutError):
                client.completions.create(**long, timeout=0.2)
        until(lambda: counting.count > 0)
        seen = -1

        def is_still():
            nonlocal seen
            before, seen = seen, counting.count
            return before == seen

        until(is_still)
        assert counting.count < 16384
        assert client.completions.create(**{**long, "max_tokens": 5}).usage.completion_tokens == 5
