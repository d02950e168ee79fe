"""`imgcls-convert [MODEL]` and `--list`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from imgcls_cli.printable import echo
from imgcls_cli.terminal import TerminalProgress
from imgcls_core.errors import ImgclsError
from imgcls_networks.models.listing import list_models, listing_json, listing_table

from imgcls_convert.plan import plan_conversion
from imgcls_convert.report.text import print_report
from imgcls_convert.request import ConvertRequest


def run(options: Mapping[str, Any], *, as_json: bool, show_traceback: bool) -> None:
    """Converts and prints the report; of an error that another exception lies behind, all of that one on demand."""
    try:
        _run(options, as_json=as_json)
    except ImgclsError as error:
        if show_traceback and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        raise


def _run(options: Mapping[str, Any], *, as_json: bool) -> None:
    plan = plan_conversion(ConvertRequest(**options))
    progress = TerminalProgress()
    progress.step("Starting PyTorch")
    from imgcls_convert import conversion

    print_report(conversion.run(plan, progress), as_json=as_json)


def show_catalog(*, as_json: bool) -> None:
    """Prints the catalog."""
    models = list_models(TerminalProgress())
    echo(listing_json(models) if as_json else listing_table(models), nl=False)
