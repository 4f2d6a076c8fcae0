"""Datasets on the Hugging Face Hub: which of its files make up a configuration and a split."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bbyte.data.sources.documents import JSON
from bbyte.data.sources.file import File, plain_name
from bbyte.data.sources.remote import failures_told
from bbyte.data.sources.tables import ARROW, PARQUET
from bbyte.errors import UsageError

_NAME = re.compile(r"hf:(?P<repo>[^/:\s]+/[^/:\s]+)(?:/(?P<config>[^:\s]+))?(?::(?P<split>[^:/\s]+))?")
_DEFAULT_SPLIT = "train"


def files(name: str) -> list[File]:
    """The files of a dataset, "hf:org/name[/config][:split]", as its newest commit has them, sorted.

    Parquet is preferred to JSON, JSON to Arrow. Configurations and splits are those that the card of the
    dataset lists; where it lists none a configuration is a folder, and a split a word in the path, as in
    data/train-00000-of-00002.parquet. Without a split "train" is taken, or all where nothing is called so.
    Reads the metadata only; uses the endpoint, token and cache that huggingface_hub is set up with.

    Raises UsageError for a dataset, configuration or split that is not there, and lists which are.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"{name} is no name of a dataset", "write hf:org/name, hf:org/name/config:split")
    repo, config, split = match["repo"], match["config"], match["split"]
    with failures_told(name):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RepositoryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        api = HfApi()
        try:
            about = api.dataset_info(repo)
        except RepositoryNotFoundError:
            raise UsageError(f"there is no dataset {repo}, or it needs a token", "hf auth login") from None
        tree = api.list_repo_tree(repo, recursive=True, revision=about.sha, repo_type="dataset")
        sizes = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
    paths = _chosen(sorted(sizes), _configs(about.card_data), repo, config, split)
    return [
        File(f"hf:{repo}/{path}", None, sizes[path], f"hf://datasets/{repo}@{about.sha}/{path}", about.sha)
        for path in paths
    ]


def _configs(card: Any) -> dict[str, Mapping[str, Any]]:
    """The configurations a card lists, the default one first."""
    listed = (card.to_dict() if card is not None else {}).get("configs") or []
    named = {
        str(one.get("config_name")): one for one in listed if isinstance(one, Mapping) and "data_files" in one
    }
    first = sorted(named, key=lambda name: (not named[name].get("default"), name != "default"))
    return {name: named[name] for name in first}


def _chosen(
    paths: list[str], configs: dict[str, Mapping[str, Any]], repo: str, config: str | None, split: str | None
) -> list[str]:
    if config is not None and configs and config not in configs:
        raise UsageError(f"{repo} has no configuration {config}", f"there is: {', '.join(configs)}")
    if configs:
        splits = _data_files(configs[config or next(iter(configs))]["data_files"])
        wanted = splits.get(split or _DEFAULT_SPLIT)
        if wanted is None and split is not None:
            raise UsageError(f"{repo} has no split {split}", f"there is: {', '.join(splits)}")
        patterns = wanted if wanted is not None else [one for every in splits.values() for one in every]
        found = [path for path in paths if any(_matches(path, pattern) for pattern in patterns)]
    else:
        found = [path for path in paths if config is None or f"/{config}/" in f"/{path}"]
        if config is not None and not found:
            raise UsageError(f"{repo} has no folder {config}", "name a configuration, or none")
        found = _of_split(found, repo, split)
    for suffixes in (PARQUET, JSON, ARROW):
        if data := [path for path in found if plain_name(path).endswith(suffixes)]:
            return data
    raise UsageError(f"{repo} has no Parquet, JSON or Arrow file there", "download it, and pack its files")


def _data_files(value: Any) -> dict[str, list[str]]:
    """What a card says of a configuration's files, as the patterns of each split."""
    if isinstance(value, Mapping):
        return {str(split): _patterns(found) for split, found in value.items()}
    entries = value if isinstance(value, list) else [value]
    splits: dict[str, list[str]] = {}
    for entry in entries:
        if isinstance(entry, Mapping):
            splits.setdefault(str(entry.get("split")), []).extend(_patterns(entry.get("path")))
        else:
            splits.setdefault(_DEFAULT_SPLIT, []).append(str(entry))
    return splits


def _patterns(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _matches(path: str, pattern: str) -> bool:
    """`**` stands for any folders, `*` for any part of a name."""
    regex = "".join(
        {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
        if part
    )
    return re.fullmatch(regex, path) is not None


def _of_split(paths: Iterable[str], repo: str, split: str | None) -> list[str]:
    everything = list(paths)
    word = re.compile(rf"(?:^|[^a-zA-Z]){re.escape(split or _DEFAULT_SPLIT)}(?:[^a-zA-Z]|$)")
    found = [path for path in everything if word.search(path)]
    if split is not None and not found:
        raise UsageError(f"{repo} has no split {split}", "name another, or none")
    return found or everything
