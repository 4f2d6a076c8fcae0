"""`bbyte serve`: a model answers requests, and has a page of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.serving.limits import Limits
from bbyte.terminal.loading import Engine, chosen, load_found, next_byte_view, takes_engine
from bbyte.terminal.plotting import name_of
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found
    from bbyte.models.contract import Predictor
    from bbyte.serving.model import Served

EXAMPLES = (
    "bbyte serve --ui",
    "bbyte serve artifacts/checkpoints/night --port 9000",
    "BBYTE_API_KEY=… bbyte serve --host 0.0.0.0",
)
CONFIGS = {"limits": Limits}
HERE = "127.0.0.1"


def serve(
    screen: Screen,
    ckpt: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint, or folder of a run (default: the newest, else the starter model)."),
    ] = None,
    ui: Annotated[bool, typer.Option("--ui", help="Have a page as well, at the server's address.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to be reached at; any but this machine's own needs --api-key.")
    ] = HERE,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")] = 8000,
    api_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="What requests must show as Authorization: Bearer KEY.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What computes: auto takes native for packed checkpoints on a CPU.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what pays.")] = 0,
    *,
    limits: dict[str, Any],
) -> None:
    """Answer requests on this machine: OpenAI's completions, infilling, scoring; with --ui also a page."""
    try:
        from bbyte.serving import app, gate, running
        from bbyte.serving.work import Work
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise UsageError("a server needs starlette and uvicorn", "pip install 'bbyte[serve]'") from None
    allowed = Limits(**limits)
    _check_key(api_key, gate.is_local(host))
    with running.bind(host, port) as taken:
        model = served(screen, ckpt, device, engine, threads)
        work = Work(allowed.max_requests)
        application = app.application(
            model, work, allowed, key=api_key, with_page=ui, say=lambda line: screen.say(one_line(line))
        )
        url = running.url(taken)
        screen.say(f"serving {model.name} at {url}, Ctrl-C ends it")
        if screen.json:
            screen.emit_json({"url": url, "model": model.name})
        try:
            running.Server(application, work).run(sockets=[taken])
        finally:
            work.join()


def _check_key(key: str | None, is_local: bool) -> None:
    if key is None and not is_local:
        raise UsageError(
            "a server that other machines can reach needs a key",
            "give it by --api-key KEY, or better by BBYTE_API_KEY, which others on this machine do not see",
        )
    if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
        raise UsageError("an API key is letters, digits and signs of ASCII, one at least")


def served(screen: Screen, ckpt: Path | None, device: str, engine: Engine, threads: int) -> "Served":
    """The model, opened once for all that is asked of it."""
    found = chosen(screen, ckpt)
    if takes_engine(screen, found, device, engine):
        return _by_engine(screen, found, engine, threads)
    from bbyte.analysis import scorers
    from bbyte.serving.model import Served

    loaded = load_found(screen, found, device, threads)
    next_byte_view(loaded)  # at once, where its family has none
    make = loaded.family.infiller
    return Served(
        name=name_of(found),
        family=found.meta.family,
        context=found.meta.context,
        open_predictor=lambda lanes: next_byte_view(loaded, lanes),
        scorer=None if loaded.family.is_bound else scorers.by_torch(loaded),
        infiller=None if make is None else make(loaded.model, found.meta.context),
    )


def _by_engine(screen: Screen, found: "Found", engine: Engine, threads: int) -> "Served":
    from bbyte.analysis.scorers import by_streams
    from bbyte.engine.predictor import predictor_of
    from bbyte.engine.streams import computed_by, opener
    from bbyte.serving.model import Served

    context = max(2, found.meta.context)
    open_streams = opener(found, by="numpy" if engine == "numpy" else "native", threads=threads)
    streams = open_streams(1, context)
    screen.say(f"computed by {computed_by(streams)}")
    # One thread asks for both, and each begins anew: they can share what they compute with.
    one, scorer = predictor_of(streams, context), by_streams(streams, context)

    def open_predictor(lanes: int) -> "Predictor":
        return one if lanes == 1 else predictor_of(open_streams(lanes, context), context)

    return Served(
        name=name_of(found),
        family=found.meta.family,
        context=found.meta.context,
        open_predictor=open_predictor,
        scorer=scorer,
    )
