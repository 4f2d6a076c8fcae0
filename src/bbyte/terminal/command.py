"""The two kinds of node in the tree of commands: a command, and a group of them. They speak our spelling."""

import os
import re
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from bbyte.config import suggest
from bbyte.errors import UsageError
from bbyte.terminal.options import Option, value_counts
from bbyte.terminal.spelling import spelled


class Command(TyperCommand):
    """A command: takes underscores in flags, answers retired and mistyped ones, shows our help page."""

    options: ClassVar[tuple[Option, ...]] = ()
    examples: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell every flag as declared, then let Typer parse."""
        try:
            args = spelled(args, value_counts(self.options))
        except UsageError as error:
            raise with_hint(error, ctx) from None
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            self._explain_switch(error)
            raise

    def _explain_switch(self, error: Any) -> None:
        # Every other value is read by Option.read; a switch set in the environment is read by Typer.
        for option in self.options:
            if option.is_switch and error.param is not None and option.name == error.param.name:
                option.read(os.environ.get(option.variable, ""))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help page of this command."""
        from bbyte.terminal.help import show_command

        show_command(ctx.command_path, self.help or "", self.options, self.examples)


class Group(TyperGroup):
    """Several commands under one word; shows its help when none is named."""

    examples: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell the group's own flags, which stand before the command's name."""
        if not args and not ctx.resilient_parsing:
            self.format_help(ctx, None)
            ctx.exit(2)
        own = {flag: 0 for param in self.get_params(ctx) for flag in param.opts}
        try:
            args = spelled(args, own, interspersed=False)
        except UsageError as error:
            raise with_hint(error, ctx) from None
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command named first; one that does not exist is answered with the nearest that does."""
        if args[0] not in self.commands:
            error = UsageError(f"unknown command {args[0]!r}", suggest(args[0], self.commands))
            raise with_hint(error, ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the table of contents of this group."""
        from bbyte.terminal.help import Entry, show_group

        entries = tuple(
            Entry(name, summary(command.help), getattr(command, "rich_help_panel", None) or "Commands")
            for name, command in self.commands.items()
            if not command.hidden
        )
        flags = tuple(
            (", ".join(sorted(param.opts, key=len)), getattr(param, "help", None) or "")
            for param in self.get_params(ctx)
        )
        show_group(ctx.command_path, self.help or "", entries, flags, self.examples)


def summary(help: str | None) -> str:
    """The first clause of a command's help: its line in a table of contents."""
    return re.split(r"[.:;](?:\s|$)", help or "", maxsplit=1)[0].replace("\n", " ")


def with_hint(error: UsageError, ctx: Any) -> UsageError:
    """The same error; where it has no hint, one that names the help page."""
    return UsageError(error.message, error.hint or f"{ctx.command_path} --help says what it takes")
