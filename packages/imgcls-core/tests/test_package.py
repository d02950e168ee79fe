"""What a user who only imports the package can rely on."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import imgcls_core
import pytest
from imgcls_core import errors
from PIL import Image


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**clean, **env}, encoding="utf-8"
    )


def test_every_public_name_can_be_imported() -> None:
    for name in imgcls_core.__all__:
        assert getattr(imgcls_core, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = imgcls_core.nonsense


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = run_python("import sys, imgcls_core; print(*sys.modules)").stdout.split()
    assert not {"numpy", "PIL", "onnxruntime", "msgspec"} & set(loaded)


def test_errors_form_one_tree_with_a_code_of_their_own() -> None:
    tree = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.ImgclsError) for kind in tree)
    codes = [kind.code for kind in tree]
    assert len(codes) == len(set(codes))


def test_every_module_says_what_it_is_for() -> None:
    for module in pkgutil.walk_packages(imgcls_core.__path__, "imgcls_core."):
        assert importlib.import_module(module.name).__doc__


def test_onnx_runtime_sends_and_stores_no_telemetry(colours_path: Path, tmp_path: Path) -> None:
    """Since 1.29 its bare import leaves a device id under the home folder, unless told not to or under CI."""
    code = f"from imgcls_core import OnnxClassifier; OnnxClassifier({str(colours_path)!r}, provider='cpu')"
    run_python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("kind", ["webp", "tiff"])
def test_decoding_loads_the_plugins_of_its_formats_and_no_others(kind: str, tmp_path: Path) -> None:
    """Pillow loads all of its plugins for the first image of a format that it does not know yet."""
    path = tmp_path / f"image.{kind}"
    Image.new("RGB", (4, 4)).save(path)
    code = f"""
import sys
from imgcls_core.images.decode import DecodeLimits, decode_image
decode_image({str(path)!r}, DecodeLimits())
print("PIL.PdfImagePlugin" in sys.modules)
"""
    assert run_python(code).stdout.split() == ["False"]
