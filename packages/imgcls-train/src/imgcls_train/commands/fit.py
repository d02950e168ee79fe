"""`imgcls-train fit DATASET`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from imgcls_cli.durations import duration_option
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

# Command-line names of the recipe's fields that are changed most; `--set` reaches all.
_SHORTCUTS = (
    "architecture", "epochs", "batch_size", "image_size", "learning_rate", "pretrained", "state_key", "seed",
    "precision",
)  # fmt: skip


@click.command(
    cls=HelpedCommand,
    examples=(
        "imgcls-train fit flowers                               # runs/flowers",
        "imgcls-train fit flowers --recipe finetune --epochs 3  # runs/flowers-finetune",
        "imgcls-train fit flowers --set mixup_alpha=0.2",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog="A fit that was stopped goes on where it was when the same command is given again, with the same result.",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/NAME]")
@click.option("--name", help="Of the model. [default: the run's, else DATASET-RECIPE]")
@click.option("--recipe", help="One of everyday100, finetune, vgg16_bn_cifar100, or a TOML file.")
@click.option("--architecture", help="small_resnet12, a torchvision architecture, or FILE.py:FACTORY.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="How often each image is seen.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Images in each step.")
@click.option("--image-size", type=click.IntRange(8, 1024), metavar="PX", help="Side of what the network sees.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), metavar="RATE", help="At its highest.")
@click.option("--pretrained", metavar="WEIGHTS", help="'catalog', a checkpoint, or the folder of a trained model.")
@click.option("--state-key", metavar="NAME", help="Which weights of --pretrained, where the file has several.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), metavar="N", help="The same one gives the same weights.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Of the arithmetic; auto measures.")
@click.option("--set", "others", metavar="FIELD=VALUE", multiple=True, help="Any other field of the recipe.")
@click.option("--train-split", default="train", help="Trained on.")
@click.option("--val-split", default="val", help="Measured on after every epoch; nothing is chosen by it.")
@click.option("--terms", default="", help="Where data and weights come from and under what terms, for the card.")
@duration_option("--checkpoint-every", "checkpoint_every_s", "60s", "The most work a kill may cost.", can_be_zero=True)
@click.option("--tensorboard/--no-tensorboard", default=True, help="Event files in the run's folder.")
@click.option("--wandb", metavar="PROJECT", help="Also to Weights & Biases (WANDB_MODE=offline keeps it here).")
@click.option("--json", "as_json", is_flag=True, help="Print the model's card as JSON.")
def command(*, dataset: Path, run: Path | None, name: str | None, recipe: str | None, **options: Any) -> None:  # noqa: ANN401
    """Trains a network on DATASET and writes a trained model's folder.

    DATASET holds train and val as folders of class folders, as tar files of the same layout, or is CIFAR-10 or
    CIFAR-100 as torchvision keeps it. `imgcls-convert RUN` makes an artifact of the result.
    """
    from imgcls_train.training.recipe_file import read_recipe

    changes = {field: options[field] for field in _SHORTCUTS if options[field] is not None}
    for text in options["others"]:
        field, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(
                f"--set {text!r} has no '='; write --set FIELD=VALUE, such as --set mixup_alpha=0.2."
            )
        changes[field.strip()] = value.strip()
    chosen = read_recipe(recipe, changes)
    # PyTorch takes seconds to import; what was mistyped is said before.
    from imgcls_train.training.epoch_sinks import TensorBoardSink, WandbSink
    from imgcls_train.training.fit import EpochSink, FitRequest, fit, run_name
    from imgcls_train.training.fit_console import FitConsole

    named = name or (run.name if run else run_name(dataset, recipe))
    request = FitRequest(
        dataset=dataset,
        run=run or Path("runs") / named,
        recipe=chosen,
        name=named,
        train_split=options["train_split"],
        val_split=options["val_split"],
        terms=options["terms"],
        checkpoint_every_s=options["checkpoint_every_s"],
    )

    def sinks(folder: Path, step: int) -> list[EpochSink]:
        places: list[EpochSink] = [TensorBoardSink(folder, step)] if options["tensorboard"] else []
        if options["wandb"]:
            places.append(WandbSink(folder, options["wandb"], chosen))
        return places

    with FitConsole() as console:
        card = fit(request, console, sinks)
    if options["as_json"]:
        import msgspec

        echo(msgspec.json.encode(card).decode())
        return
    last = card.training["last_epoch"]
    echo(
        f"{request.run}: {card.name}, {card.architecture}, {len(card.classes)} classes, "
        f"{card.training['parameters']:,} parameters, val top-1 {last['val_top1_pct']:.2f} %"
    )
    echo(f"next: imgcls-train evaluate {request.run} {dataset}, imgcls-convert {request.run}")
