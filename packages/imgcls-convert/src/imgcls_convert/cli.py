"""`imgcls-convert`: parses, calls one function, prints, exits. Importing it imports neither torch nor onnx."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import click
from imgcls_cli.helped import HelpedCommand, HelpedOption
from imgcls_cli.program import Program
from imgcls_core.errors import ArtifactError, ImgclsError


class _ImageSize(click.ParamType[tuple[int, int]]):
    name = "PX|HxW"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", str(value))
        if not found or not all(1 <= int(side) <= 16_384 for side in found.groups(default="1")):
            self.fail(f"{value!r} is not a size; write 224, or 192x256 for height x width (1 to 16384 px)", param, ctx)
        height = int(found[1])
        return height, int(found[2] or height)


class _Resize(click.ParamType[str]):
    name = "squash|letterbox|PX"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text not in {"squash", "letterbox"} and not (text.isdecimal() and 1 <= int(text) <= 16_384):
            self.fail(f"{value!r} is neither 'squash', 'letterbox' nor a number of pixels (1 to 16384)", param, ctx)
        return text


_CHANNELS: Final = click.Choice(["rgb", "bgr"])
_LEVEL: Final = click.IntRange(0, 255)


# Name → what `--help` says of it. Each stands beside the conversion: the first argument chooses.
_COMMANDS: Final = {
    "inspect": "Show what is in an artifact.",
    "verify": "Prove an artifact again: its seal, its golden cases, or every answer against PyTorch.",
    "diff": "Compare the answers of two artifacts.",
    "sign": "Sign an artifact.",
}


class _Convert(HelpedCommand):
    """The conversion, whose help lists the commands beside it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        near = difflib.get_close_matches(args[0], _COMMANDS, n=1, cutoff=0.75) if args else []
        if near and not Path(args[0]).exists():
            ctx.fail(f"No such command or MODEL {args[0]!r}. Did you mean `imgcls-convert {near[0]}`?")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands (`imgcls-convert COMMAND --help` says more)"):
            formatter.write_dl([*_COMMANDS.items()])


_preprocessing: Final = partial(click.option, cls=HelpedOption, group="Preprocessing, as the network was trained")
_proof: Final = partial(click.option, cls=HelpedOption, group="Images and proof")
_precision: Final = partial(click.option, cls=HelpedOption, group="Precision")


@click.command(
    cls=_Convert,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    examples=(
        "imgcls-convert everyday100                  # the model in the package",
        "imgcls-convert runs/pets                    # what imgcls-train has trained",
        "imgcls-convert resnet50 --weights pets.pth --num-classes 3 --labels pets.txt",
        "imgcls-convert my_net.py:build --weights my.pth --labels classes.txt",
        "imgcls-convert runs/pets --precision int8 --calibrate photos",
    ),
    epilog="Exit codes: 0 ok, 1 verify or diff found a difference, 2 usage, 3 weights cannot be downloaded, "
    "5 conversion failed, 70 a bug of ours.",
)
@click.argument("model", required=False)
@click.option("--revision", help="Branch, tag or commit of a model of the Hugging Face hub. [default: main]")
@click.option("--weights", metavar="PATH|URL", help="Checkpoint: .pth, .ckpt, .safetensors, … [default: the catalog's]")
@click.option(
    "--state-key",
    metavar="NAME",
    help="Which weights, where a checkpoint has several (raw, averaged, …); A+B takes the buffers that A lacks from B.",
)
@click.option("--labels", metavar="NAME|FILE", help="Class names: imagenet1k, or a text, CSV, JSON or YAML file.")
@_preprocessing("--image-size", type=_ImageSize(), help="Input of the network, in pixels.")
@_preprocessing("--resize", type=_Resize(), help="Squash, fit on a colour, or shorter edge before the centre crop.")
@_preprocessing("--crop", type=click.IntRange(1, 16_384), metavar="PX", help="Side of the centre crop.")
@_preprocessing("--pad-color", type=_LEVEL, nargs=3, metavar="R G B", help="Of the bars of a letterbox, 0 to 255.")
@_preprocessing("--range", type=click.Choice(["0..1", "0..255", "-1..1"]), help="Of the pixels that the network takes.")
@_preprocessing("--mean", type=float, nargs=3, metavar="R G B", help="In the range; B G R for BGR networks.")
@_preprocessing("--std", type=float, nargs=3, metavar="R G B", help="In the range; B G R for BGR networks.")
@_preprocessing("--channels", type=_CHANNELS, help="Order that the network takes, as OpenCV's BGR. [default: rgb]")
@_preprocessing("--mean-order", type=_CHANNELS, help="Order of mean and std, where it is not that of the channels.")
@click.option("--num-classes", type=click.IntRange(1), help="For architectures that can be built with any.")
@_proof("--golden", type=click.Path(path_type=Path), help="Labelled images to record (CSV: file, class_id).")
@_proof("--verify-images", type=click.Path(path_type=Path), help="Folder on which ONNX must equal PyTorch.")
@_preprocessing(
    "--decode",
    type=click.Choice(["exact", "scaled"]),
    default="exact",
    help="Scaled: large JPEGs at 1/2, 1/4 or 1/8, which is faster and other pixels; judged on photos.",
)
@_precision("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", help="Of the network.")
@_precision("--calibrate", type=click.Path(path_type=Path), help="Folder of images that set the ranges of int8.")
@_precision(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Top-1 agreement that fp16, int8 and --decode scaled need. [default: 99.5, 98 and 98]",
)
@_precision("--float-layers", metavar="NAME,…", help="Layers that fp16 and int8 keep in float, as PyTorch calls them.")
@_precision(
    "--float-share",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Of the layers, at most, that may stay in float by measurement. [default: 25]",
)
@_precision(
    "--second-look",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Of the images, at most, that int8 has answered in float32, where two classes are close. [default: 20]",
)
@click.option("--output-name", metavar="NAME", help="Which output of an ONNX file gives the scores.")
@click.option("--output", type=click.Path(path_type=Path), help="The artifact. [default: models/NAME.onnx]")
@_proof("--skip-verify", is_flag=True, help="Write the artifact without proof that it equals PyTorch.")
@click.option("--trust", is_flag=True, help="Let code run that comes in a TorchScript, torch.export or .mar file.")
@_proof(
    "--weak-proof",
    is_flag=True,
    help="Accept golden images that prove little: all answered alike, or all in one class.",
)
@click.option("--traceback", is_flag=True, help="Show all of an exception in your own code or a library.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
@click.option("--list", "list_models", is_flag=True, help="Show the models that can be converted by name.")
@click.version_option(package_name="imgcls-convert")
def convert_command(*, as_json: bool, list_models: bool, traceback: bool, **options: object) -> None:
    """Convert a PyTorch image classifier to one proven .onnx artifact.

    MODEL is a name of the catalog (any torchvision classification architecture, or everyday100, which comes with the
    package; see --list), the folder of a model that imgcls-train has trained, FILE.py:FACTORY, package.module:FACTORY
    or "FILE.py:FACTORY(num_classes=10)" for a network of your own, a TorchScript (.pt) or torch.export file (.pt2),
    timm/NAME where timm is installed, or hf/OWNER/NAME (from the Hugging Face hub) and the folder of a fine-tuned model
    where transformers is installed. A FILE.py is your own code and runs; TorchScript and torch.export files hold
    code too and need --trust; nothing in a checkpoint of weights can run. An .onnx file of another tool is wrapped as
    it is, with the preprocessing that you say; of a TorchServe archive (.mar) network, weights and labels are taken.

    Without MODEL it is resnet18. When its weights cannot be downloaded and no option speaks of a model, everyday100 is
    converted in its place, to models/everyday100.onnx. A MODEL that you name is never replaced.
    """
    from imgcls_convert.commands import convert

    if list_models:
        convert.show_catalog(as_json=as_json)
    else:
        convert.run(options, as_json=as_json, show_traceback=traceback)


def _exit_code(error: Exception) -> int:
    return 2 if isinstance(error, ArtifactError) else getattr(error, "exit_code", 5)


PROGRAM: Final = Program(
    "imgcls-convert",
    convert_command,
    expected=ImgclsError,
    subcommands={name: f"imgcls_convert.commands.{name}:command" for name in _COMMANDS},
    exit_code=_exit_code,
    after_interrupt=lambda _: "; nothing was written.",
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process with its exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    PROGRAM.main(arguments)
