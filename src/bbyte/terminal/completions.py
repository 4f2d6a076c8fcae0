"""Completion scripts for four shells, written out from the program: static, so that they answer at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bbyte.terminal import values
from bbyte.terminal.command import Command, Group, summary

_EVERYWHERE = ("--help", "Show this message and exit.")
_HEAD = "# Completion of bbyte for {name}, generated from the program by: make completions\n# {how}\n"


class Flag(NamedTuple):
    """A flag as a shell offers it; `choices` are the words its value may be, `path` asks for file names."""

    name: str
    help: str
    takes_value: bool = False
    choices: tuple[str, ...] = ()
    path: bool = False


class Place(NamedTuple):
    """A command or a group: the words that lead to it, the commands and the flags that may follow."""

    words: str
    commands: tuple[tuple[str, str], ...]
    flags: tuple[Flag, ...]


def scripts(program: Any) -> dict[str, str]:
    """The text of every completion file by its name, from the tree of commands that Typer built."""
    places = tuple(_places(program, "bbyte"))
    writers: Mapping[str, Callable[[Sequence[Place]], str]] = {
        "bbyte.bash": _bash,
        "_bbyte": _zsh,
        "bbyte.fish": _fish,
        "bbyte.ps1": _powershell,
    }
    return {name: writer(places) for name, writer in writers.items()}


def _places(node: Any, words: str) -> Iterator[Place]:
    if isinstance(node, Group):
        visible = {name: command for name, command in node.commands.items() if not command.hidden}
        commands = tuple((name, summary(command.help)) for name, command in visible.items())
        flags = [Flag("--version", "Show the versions of bbyte and Python.")] if words == "bbyte" else []
        yield Place(words, commands, (*flags, Flag(*_EVERYWHERE)))
        for name, command in visible.items():
            yield from _places(command, f"{words} {name}")
    elif isinstance(node, Command):
        yield Place(words, (), (*_flags(node), Flag(*_EVERYWHERE)))


def _flags(command: Command) -> Iterator[Flag]:
    for option in command.options:
        for name in (*option.flags, *option.off_flags):
            if name.startswith("--") and not option.hidden:
                path = "a path" in values.describe(option.annotation)
                choices = values.choices(option.annotation)
                yield Flag(name, _first_line(option.help), not option.is_switch, choices, path)


def _first_line(text: str | None) -> str:
    return (text or "").split("\n")[0].strip()


def _below(places: Sequence[Place]) -> list[str]:
    return [place.words for place in places if " " in place.words]


def _bash(places: Sequence[Place]) -> str:
    lines = [
        _HEAD.format(name="bash", how="Put it into ~/.local/share/bash-completion/completions/ as bbyte"),
        "_bbyte() {",
        '    local word words="" here=bbyte',
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
        '    [[ $current == "=" ]] && current=""',
        '    [[ $previous == "=" ]] && previous="${COMP_WORDS[COMP_CWORD-2]}"',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$here $word" in',
        f'            {"|".join(map(_quoted, _below(places)))}) here="$here $word" ;;',
        "        esac",
        "    done",
        "    COMPREPLY=()",
        '    case "$here:$previous" in',
    ]
    for place in places:
        for flag in place.flags:
            pattern = _quoted(f"{place.words}:{flag.name}")
            if flag.choices:
                words = _quoted(" ".join(flag.choices))
                lines.append(f'        {pattern}) COMPREPLY=($(compgen -W {words} -- "$current")); return ;;')
            elif flag.takes_value:  # "-o default" below then completes file names
                lines.append(f"        {pattern}) return ;;")
    lines += ["    esac", '    case "$here:$current" in']
    for place in places:
        flags = " ".join(flag.name for flag in place.flags)
        lines.append(f'        {_quoted(place.words + ":")}-*) words="{flags}" ;;')
        if place.commands:
            commands = " ".join(name for name, _ in place.commands)
            lines.append(f'        {_quoted(place.words + ":")}*) words="{commands}" ;;')
    lines += [
        "    esac",
        '    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o bashdefault -o default -F _bbyte bbyte",
    ]
    return "\n".join(lines) + "\n"


def _zsh(places: Sequence[Place]) -> str:
    lines = [
        "#compdef bbyte",
        _HEAD.format(name="zsh", how="Put it into a folder of your fpath as _bbyte"),
        "_bbyte() {",
        "    local word here=bbyte previous=${words[CURRENT-1]}",
        "    local -a offered",
        "    for word in ${words[2,CURRENT-1]}; do",
        '        case "$here $word" in',
        f'            ({"|".join(map(_quoted, _below(places)))}) here="$here $word" ;;',
        "        esac",
        "    done",
        '    case "$here:$previous" in',
    ]
    for place in places:
        for flag in place.flags:
            pattern = f"({_quoted(f'{place.words}:{flag.name}')})"
            if flag.choices:
                lines.append(
                    f"        {pattern} compadd -- {' '.join(map(_quoted, flag.choices))}; return ;;"
                )
            elif flag.takes_value:
                lines.append(f"        {pattern} {'_files' if flag.path else '_message value'}; return ;;")
    lines += ["    esac", '    case "$here:$PREFIX" in']
    for place in places:
        lines.append(f"        ({_quoted(place.words + ':')}-*)")
        lines += _zsh_items([(flag.name, flag.help) for flag in place.flags], "flag")
        lines.append(f"        ({_quoted(place.words + ':')}*)")
        lines += _zsh_items(place.commands, "command") if place.commands else ["            _files ;;"]
    return "\n".join([*lines, "    esac", "}", "", '_bbyte "$@"']) + "\n"


def _zsh_items(items: Sequence[tuple[str, str]], kind: str) -> list[str]:
    offered = [
        f"                {_quoted(name + ':' + help.replace(':', chr(92) + ':'))}" for name, help in items
    ]
    return ["            offered=(", *offered, "            )", f"            _describe {kind} offered ;;"]


def _fish(places: Sequence[Place]) -> str:
    lines = [
        _HEAD.format(name="fish", how="Put it into ~/.config/fish/completions/"),
        "function __bbyte_at",
        "    set -l here bbyte",
        "    for word in (commandline -opc)[2..]",
        '        switch "$here $word"',
        f"            case {' '.join(map(_quoted, _below(places)))}",
        '                set here "$here $word"',
        "        end",
        "    end",
        '    test "$here" = "$argv[1]"',
        "end",
        "",
    ]
    for place in places:
        at = f'complete -c bbyte -n "__bbyte_at {_quoted(place.words)}"'
        lines += [f"{at} -f -a {name} -d {_fish_quoted(help)}" for name, help in place.commands]
        for flag in place.flags:
            value = " -r -F" if flag.takes_value else ""
            if flag.choices:
                value = f" -x -a {_quoted(' '.join(flag.choices))}"
            elif flag.takes_value and not flag.path:
                value = " -x"
            lines.append(f"{at} -l {flag.name[2:]}{value} -d {_fish_quoted(flag.help)}")
    return "\n".join(lines) + "\n"


def _powershell(places: Sequence[Place]) -> str:
    lines = [
        _HEAD.format(name="PowerShell", how="Load it from your $PROFILE with: . path/to/bbyte.ps1"),
        "$bbytePlaces = @{",
    ]
    for place in places:
        items = [*place.commands, *((flag.name, flag.help) for flag in place.flags)]
        offered = [f"        @({_ps(name)}, {_ps(help or name)})" for name, help in items]
        lines += [f"    {_ps(place.words)} = @(", ",\n".join(offered), "    )"]
    lines += ["}", "$bbyteChoices = @{"]
    for place in places:
        for flag in place.flags:
            if flag.takes_value:
                words = ", ".join(map(_ps, flag.choices))
                lines.append(f"    {_ps(place.words + ' ' + flag.name)} = @({words})")
    return "\n".join(lines) + _POWERSHELL_END


_POWERSHELL_END = """
}
Register-ArgumentCompleter -Native -CommandName bbyte -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
    if ($wordToComplete -ne '' -and $words.Count -gt 1) { $words = @($words[0..($words.Count - 2)]) }
    $here = 'bbyte'
    foreach ($word in @($words | Select-Object -Skip 1)) {
        if ($bbytePlaces.ContainsKey("$here $word")) { $here = "$here $word" }
    }
    $flag = "$here $($words[-1])"
    if ($bbyteChoices.ContainsKey($flag)) {
        $bbyteChoices[$flag] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
        }
        return
    }
    $bbytePlaces[$here] | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1])
    }
}
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _ps(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
