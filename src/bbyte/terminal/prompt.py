"""The line a person types at: several lines if need be, history, completion, and a bar below."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.shortcuts import CompleteStyle

from bbyte.generation.session_commands import COMMANDS, joined
from bbyte.sanitize import sanitize
from bbyte.terminal.screen import one_line


def prompt_session(bar: Callable[[], str]) -> "PromptSession[str]":
    """What asks for lines; `bar` gives the text of the bottom bar, sanitised, whenever it is drawn."""
    return PromptSession(
        completer=CommandCompleter(),
        complete_style=CompleteStyle.MULTI_COLUMN,
        complete_while_typing=False,
        reserve_space_for_menu=3,
        multiline=True,
        prompt_continuation="  ",
        key_bindings=_keys(),
        bottom_toolbar=lambda: [("", bar())],
        input_processors=[Sanitised()],
    )


class CommandCompleter(Completer):
    """Completes the names of commands and, after those that take one, of files."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """What may stand at the cursor; file names are shown sanitised."""
        line = document.text_before_cursor
        if not line.startswith("/") or "\n" in line:
            return
        word, space, rest = line[1:].partition(" ")
        if not space:
            for name, command in COMMANDS.items():
                if name.startswith(word):
                    yield Completion(name + (" " if command.takes else ""), -len(word), display=f"/{name}")
        elif word in COMMANDS and COMMANDS[word].takes_path:
            for found in self._paths.get_completions(Document(rest), event):
                shown = sanitize(one_line(found.display_text))
                yield Completion(found.text, found.start_position, display=shown)


class Sanitised(Processor):
    """Shows what is typed, pasted or completed as a terminal may show it; the text itself stays as it is."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The fragments of one line, each character as `sanitize` shows it, and where each came to stand."""
        shown: list[Any] = []
        places = [0]
        for style, text, *_ in transformation_input.fragments:
            for character in text:
                safe = sanitize(character)
                shown.append((style, safe))
                places.append(places[-1] + len(safe))

        def displayed(place: int) -> int:
            last = len(places) - 1
            return places[min(place, last)] + max(0, place - last)

        def typed(place: int) -> int:
            return bisect_right(places, place) - 1 + max(0, place - places[-1])

        return Transformation(shown, source_to_display=displayed, display_to_source=typed)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text, goes_on = joined(buffer.text)
        if goes_on and buffer.document.is_cursor_at_the_end:
            buffer.set_document(Document(text))
            return
        if not goes_on:
            buffer.set_document(Document(text), bypass_readonly=True)
        buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=has_focus(DEFAULT_BUFFER))
    def _another_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
