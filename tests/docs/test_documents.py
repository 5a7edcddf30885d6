"""What the documents name exists: files, commands and their options, targets, topics, ports, keys."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from docs.pages import ROOT, Block, Page, exists, read, resolve

from vaxel_cli.main import vaxel
from vaxel_shared.config.deployment import load
from vaxel_shared.config.source import ConfigError
from vaxel_shared.kafka.topics import TOPICS
from vaxel_shared.settings import PORTS

PAGES = read(
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "services/*/README.md",
)
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])

NO_PATHS = {
    "kind/sha256": "the shape of a blob's reference",
    "run.json": "made in the data folder when everything is ready",
    ".vaxel/run.json": "the same, with the default data folder",
    "message.json": "made by whoever follows docs/adding-a-channel.md, as the next",
    "shared/tests/test_channel_acme.py": "a test follows that page, and so makes them",
}
"""Code spans that look like paths and are none."""

MAKEFILE = (ROOT / "Makefile").read_text()


def page(name: str) -> Page:
    return next(one for one in PAGES if one.name == name)


@EACH_PAGE
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Page) -> None:
    for link in page.links:
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in Page(target, target.read_text()).anchors, f"{page.name}: {link}"


@EACH_PAGE
def test_every_path_that_is_named_exists(page: Page) -> None:
    missing = [path for path in page.paths if path not in NO_PATHS and not exists(page, path)]
    assert not missing, f"{page.name} names what isn't there"


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("services/<name>/src/vaxel_<name>/", True),
        ("shared/tests/test_chain*.py", True),
        ("services/{router,triage}/pyproject.toml", True),
        ("routing.yaml", True),
        ("core/", True),
        ("services/exchange", False),
        ("services/{router,exchange}/pyproject.toml", False),
        ("shared/tests/test_nonsense*.py", False),
        ("rooting.yaml", False),
    ],
)
def test_a_path_that_leads_nowhere_is_noticed(path: str, there: bool) -> None:
    invented = Page(ROOT / "README.md", f"See `{path}`.\n```\n`not/this`\n```\n")
    assert invented.paths == [path]
    assert exists(invented, path) == there


def test_the_code_map_shows_folders_and_files_that_exist() -> None:
    architecture = page("ARCHITECTURE.md")
    [block] = [block for block in architecture.blocks if "vaxel_shared/" in block.text]
    folder, seen = "", 0
    for line in block.text.splitlines():
        words = line.split()
        if line and not line.startswith(" "):
            folder = words[0]
            assert exists(architecture, folder), folder
            seen += 1
            continue
        for word in words:
            if re.fullmatch(r"\w+/|\w+\.py", word.strip(":,")):
                assert exists(architecture, folder + word), folder + word
                seen += 1
    assert seen > 15, "the map was read"


def test_the_routers_files_are_those_that_the_table_describes() -> None:
    table = page("ARCHITECTURE.md").text.partition("| file | holds |")[2].partition("\n\n")[0]
    named = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|", 2)[1] if "|" in row else "")
    }
    core = ROOT / "services/router/src/vaxel_router/core"
    assert named
    assert not {name for name in named if not (core / f"{name}.py").exists()}


COMMAND_LINES = [(one.name, words) for one in PAGES for words in one.lines_of("vaxel") if words]


@pytest.mark.parametrize(
    ("where", "words"), COMMAND_LINES, ids=[" ".join(words) for _, words in COMMAND_LINES]
)
def test_every_command_line_in_the_documents_is_one_of_ours(where: str, words: list[str]) -> None:
    assert resolve(vaxel, words) is None, where


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nonsense", "no such command"),
        ("log import", "no such command"),
        ("up --nonsense", "no --nonsense"),
        ("explain S… --json", None),
        ("agent away a01", None),
        ("topics apply|check --broker HOST:PORT", None),
        ("topics apply|destroy", "no such command"),
        ("topics apply|check --local", "no --local"),
    ],
)
def test_a_wrong_command_line_is_noticed(line: str, fault: str | None) -> None:
    found = resolve(vaxel, line.split())
    assert (fault is None) == (found is None)
    assert fault is None or fault in (found or "")


def commands(command: click.Command, name: str = "vaxel") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            assert found is not None
            yield from commands(found, f"{name} {word}")
    else:
        yield name, command


def test_every_command_that_a_message_tells_to_run_is_one_of_ours() -> None:
    sources = [
        path
        for part in ("shared", "services", "cli")
        for path in (ROOT / part).glob("**/src/**/*.py")
    ]
    told = {
        words
        for path in [*sources, *(ROOT / "config").glob("*.yaml")]
        for words in re.findall(r"`(?:\./)?vaxel ([^`{}\n]+)`", path.read_text())
    }
    assert len(told) > 10, "the sources were read"
    assert not [fault for words in sorted(told) if (fault := resolve(vaxel, words.split()))]


def test_every_example_mail_that_is_named_exists() -> None:
    folder = ROOT / "cli/src/vaxel_cli/examples"
    named = {name for one in PAGES for name in re.findall(r"--example ([\w-]+)", one.text)}
    assert named
    assert named <= {path.stem for path in folder.glob("*.eml")}


@EACH_PAGE
def test_every_option_named_by_itself_belongs_to_some_command(page: Page) -> None:
    known = {"--help"} | {
        option for _, one in commands(vaxel) for param in one.params for option in param.opts
    }
    assert {span for span in page.spans if re.fullmatch(r"--[a-z-]+", span)} <= known


def test_all_commands_but_up_take_json_as_the_readme_says() -> None:
    assert "All but `vaxel up` take `--json`" in page("README.md").text
    without = {
        name
        for name, one in commands(vaxel)
        if "--json" not in {o for p in one.params for o in p.opts}
    }
    assert without == {"vaxel up"}


def test_the_readme_names_every_command() -> None:
    text = page("README.md").text
    assert not {
        name for name in vaxel.list_commands(click.Context(vaxel)) if f"vaxel {name}" not in text
    }


@EACH_PAGE
def test_every_make_target_exists_and_takes_the_variables_given(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for words in page.lines_of("make"):
        for word in words:
            name, given, _ = word.partition("=")
            assert name in targets or (given and re.search(rf"\$\((or \$\()?{name}\)", MAKEFILE)), (
                word
            )


@EACH_PAGE
def test_every_module_that_is_run_exists(page: Page) -> None:
    for words in page.lines_of("python"):
        if words[:1] == ["-m"]:
            assert importlib.util.find_spec(words[1]) is not None, words


@EACH_PAGE
def test_every_script_that_is_run_exists(page: Page) -> None:
    for words in page.lines_of("python"):
        if words and words[0].endswith(".py"):
            assert (ROOT / words[0]).is_file(), words


@EACH_PAGE
def test_every_topic_that_is_named_is_declared(page: Page) -> None:
    spans = {span for span in page.spans if re.fullmatch(r"vaxel\.[a-z]+", span)}
    assert spans <= {topic.name for topic in TOPICS}


def test_the_ports_in_the_map_are_those_of_the_settings() -> None:
    rows = re.findall(
        r"^\| `services/([\w-]+)` .*\| (\d+)[^|]*\|$", page("ARCHITECTURE.md").text, re.MULTILINE
    )
    services = sorted(
        path.name for path in (ROOT / "services").iterdir() if (path / "src").exists()
    )
    assert sorted(name for name, _ in rows) == services
    assert {name: int(port) for name, port in rows} == {name: PORTS[name] for name in services}


def test_the_example_is_as_large_as_the_readme_says() -> None:
    assert (
        "two mail addresses, six queues, twelve agents in three tiers and six languages"
        in page("README.md").text
    )
    example = load(ROOT / "config")
    queues = [queue for pool in example.routing.pools for queue in pool.queues]
    agents = example.roster.agents
    spoken = {language for agent in agents for language in agent.languages}
    assert len([one for one in example.channels.accounts if one.channel == "email"]) == 2
    assert len(queues) == 6
    assert len(agents) == 12
    assert len({agent.tier for agent in agents}) == 3
    assert len(spoken) == len(example.channels.languages) == 6


def overlaid(block: Block, folder: Path) -> None:
    """Checks a block of configuration as if its keys were put into the example's file.

    Its first line is a comment that names the file: ``# routing.yaml``.
    """
    named = re.match(r"# (?:config/)?(\w+\.yaml)", block.text)
    assert named, "the first line of a YAML block says which file it belongs to: # routing.yaml"
    shutil.copytree(ROOT / "config", folder)
    file = folder / named[1]
    merged = yaml.safe_load(file.read_text()) | yaml.safe_load(block.text)
    file.write_text(yaml.safe_dump(merged, allow_unicode=True, sort_keys=False))
    load(folder)


TUTORIALS = {"docs/adding-a-channel.md"}
"""What they configure is made on the way; tests of their own follow them."""


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one.name not in TUTORIALS], ids=lambda one: one.name
)
def test_every_block_of_configuration_is_valid_beside_the_example(
    page: Page, tmp_path: Path
) -> None:
    for index, block in enumerate(page.blocks):
        if block.info.startswith(("yaml", "yml")):
            overlaid(block, tmp_path / str(index))


def test_a_block_of_configuration_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    good = Block("yaml", "# channels.yaml\nlanguages: [de, en, et, fi, fr, sv]\n")
    overlaid(good, tmp_path / "good")
    with pytest.raises(ConfigError, match="unknown key 'languges'"):
        overlaid(Block("yaml", "# channels.yaml\nlanguges: [en]\n"), tmp_path / "misspelt")
    with pytest.raises(AssertionError, match="which file"):
        overlaid(Block("yaml", "languages: [en]\n"), tmp_path / "unnamed")


def test_glossary_words_are_sorted_and_defined_once() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", page("docs/glossary.md").text, re.MULTILINE)
    words = [row for row in rows if row not in ("word", "---")]
    assert len(words) > 30
    assert words == sorted(set(words), key=str.lower)
