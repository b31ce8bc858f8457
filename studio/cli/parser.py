"""What can be asked of `wirelight`. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from studio import __version__

Command = Callable[[argparse.Namespace], int]

_HELP = """Wire diffusion models into a graph and watch every denoising step.

Without a command, the window opens with what was open last."""
_EPILOG = """wirelight run text-to-image --set sampler.steps=8 --set prompt.text="a red house" --out pictures

Exit status: 0 done, 1 a run that failed, 2 bad input, 3 a run that paused where it was to, 130 interrupted."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with the function that obeys them as `command`. Exits (status 2) where they make no sense."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("wirelight", description=_HELP, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"Wirelight {__version__}")
    parser.set_defaults(command=_later("window", "open_window"), file=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _open(commands)
    _run(commands)
    _again(commands)
    _check(commands)
    _convert(commands)
    _strip(commands)
    _diff(commands)
    _models(commands)
    _nodes(commands)
    _templates(commands)
    _doctor(commands)
    _new_plugin(commands)
    _plugins(commands)
    _starters(commands)
    return parser.parse_args(arguments)


def _later(module: str, function: str) -> Command:
    """A command whose module is imported when it is called."""

    def obey(options: argparse.Namespace) -> int:
        command: Command = getattr(importlib.import_module(f"studio.cli.{module}"), function)
        return command(options)

    return obey


def _open(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("open", help="open a workflow in the window")
    parser.add_argument("file", type=Path, metavar="FILE", help="a workflow, or a picture with a workflow inside")
    parser.set_defaults(command=_later("window", "open_window"))


def _run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("run", help="run a workflow without a window")
    parser.add_argument(
        "workflow", metavar="WORKFLOW", help="a file, a template's name, or a picture with a workflow inside"
    )
    _values(parser)
    _place(parser)
    parser.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="NODE", help="run these nodes, and what they need"
    )
    parser.add_argument(
        "--pause-at", type=int, metavar="STEP", help="end after this step of the sampler, to be resumed (exit status 3)"
    )
    parser.add_argument("--node", default="", metavar="ID", help="which sampler pauses, where there are several")
    parser.set_defaults(command=_later("run", "run"))


def _values(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="values",
        action="append",
        default=[],
        metavar="NODE.PARAM=VALUE",
        help="change a parameter; may be repeated",
    )


def _place(parser: argparse.ArgumentParser) -> None:
    """Where a run works and what it tells."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the outputs (default: the one of the settings)"
    )
    parser.add_argument("--previews", type=Path, metavar="DIR", help="write a picture of every step into this folder")
    parser.add_argument("--device", default="", metavar="auto|cpu|cuda:0|mps", help="where the models run")
    parser.add_argument("--json", action="store_true", help="print one event a line")


def _again(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    runs = commands.add_parser("runs", help="list the runs of the command line, the latest first")
    runs.add_argument("--json", action="store_true", help="print JSON")
    runs.set_defaults(command=_later("again", "show_runs"))
    resume = commands.add_parser("resume", help="go on with a run that was paused or broken off")
    resume.add_argument("run", metavar="RUN", help="its name, or how that begins; `wirelight runs` lists them")
    _place(resume)
    resume.set_defaults(command=_later("again", "resume"))
    branch = commands.add_parser("branch", help="go on differently from a step of a run on")
    branch.add_argument("run", metavar="RUN", help="its name, or how that begins; `wirelight runs` lists them")
    branch.add_argument("--step", type=int, required=True, metavar="STEP", help="after which step; 0 is the noise")
    branch.add_argument("--node", default="", metavar="ID", help="which sampler, where there are several")
    _values(branch)
    _place(branch)
    branch.set_defaults(command=_later("again", "branch_off"))


def _check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("check", help="say what keeps a workflow from running")
    parser.add_argument(
        "workflow", metavar="FILE", help="a workflow, a template's name, or a picture with a workflow inside"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_later("check", "check_workflow"))


def _convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("convert", help="write a workflow in another form")
    parser.add_argument(
        "workflow", metavar="FILE", help="a workflow of any program that Wirelight reads, or a file that carries one"
    )
    parser.add_argument(
        "--to", choices=("wirelight", "comfyui-api"), default="wirelight", help="the form (default: wirelight)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: the standard output)")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object on what was written")
    parser.set_defaults(command=_later("convert", "convert"))


def _strip(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("strip", help="take workflow and settings out of pictures and sounds")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG, WebP, JPEG, FLAC or WAV")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write copies into this folder (default: change the files)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("convert", "strip"))


def _diff(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("diff", help="say what differs between two workflows")
    parser.add_argument("first", metavar="A", help="a workflow, or a file that carries one")
    parser.add_argument("second", metavar="B", help="another")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("compare", "diff_workflows"))


def _models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("models", help="list the models of the library, or those that a workflow lacks")
    parser.add_argument("--missing", metavar="FILE", help="a workflow: say which of its models are not in the library")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("compare", "show_models"))


def _nodes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("nodes", help="list the nodes, or explain one")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="a node type, or words to search for")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("nodes", "show_nodes"))


def _templates(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("templates", help="list the workflows that come with the program")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("templates", "show_templates"))


def _doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="say what this machine offers, what is wrong, and what to do")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("doctor", "doctor"))


def _new_plugin(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("new-plugin", help="make a plugin to start from")
    parser.add_argument("name", metavar="NAME", help="letters, digits and '-'")
    parser.add_argument(
        "--into", type=Path, default=Path(), metavar="DIR", help="where its folder goes (default: here)"
    )
    parser.set_defaults(command=_later("plugins", "new_plugin"))


def _plugins(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("plugins", help="list plugins, enable or disable them")
    does = parser.add_subparsers(title="what to do", metavar="list|enable|disable")
    listing = does.add_parser("list", help="list what is installed (the default)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_later("plugins", "list_installed"), json=False)
    listing.set_defaults(command=_later("plugins", "list_installed"))
    for word, doc in (("enable", "let its nodes run from the next start on"), ("disable", "leave its nodes out")):
        one = does.add_parser(word, help=doc)
        one.add_argument("name", metavar="NAME")
        one.set_defaults(command=_later("plugins", word))


def _starters(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("starters", help="train the models that come with the program")
    does = parser.add_subparsers(title="what to do", metavar="train", required=True)
    train = does.add_parser("train", help="train one, or go on with a training that was begun")
    train.add_argument("name", metavar="NAME", help="picture, controlnet-canny, lcm, sound ...; a wrong name lists all")
    train.add_argument("--minutes", type=float, default=120.0, metavar="N", help="of running time, over all parts")
    train.add_argument("--device", default="cpu", metavar="cpu|cuda:0|mps", help="where to train")
    train.add_argument("--processes", type=int, default=1, metavar="N", help="that train together, one core each")
    train.add_argument("--out", type=Path, metavar="DIR", help="for checkpoints, sample sheets and the model")
    train.add_argument("--anew", action="store_true", help="begin from nothing, not from the last checkpoint")
    train.set_defaults(command=_later("starters", "train"))
