"""What can go wrong in core, as one tree; knows nothing of HTTP or exit codes.

ImgclsError
├── ImageError (ValueError)            the image that was handed in
│   ├── ImageUndecodableError          not an image, corrupt, truncated, empty
│   ├── ImageTooLargeError             more bytes or pixels than allowed
│   └── ImageTooCostlyError            more work to decode than allowed
├── ArtifactError                      the .onnx file
│   ├── ArtifactNotFoundError (FileNotFoundError)
│   ├── ArtifactUnreadableError        ONNX Runtime cannot load it
│   ├── ArtifactMetadataError          the imgcls.* keys are missing or wrong
│   ├── ArtifactSchemaError            written for a newer schema
│   ├── ArtifactSignatureError         inputs or outputs differ from the contract
│   ├── UnsafeGraphError               loops, foreign operators, data in other files
│   ├── SealBrokenError                changed after it was sealed
│   ├── TrustError                     signed by no trusted key, or a key that cannot be used
│   └── InvalidAnswerError             it answers with numbers that are no probabilities
├── GoldenMismatchError                the provider does not reproduce the golden answers
├── ProviderUnavailableError           the execution provider asked for cannot be used
├── RuntimeMissingError                ONNX Runtime is not installed
└── InferenceError (RuntimeError)      ONNX Runtime failed on a valid batch
"""

from typing import ClassVar


class ImgclsError(Exception):
    """Base of every error that imgcls raises on purpose; `code` is stable, the wording is not."""

    code: ClassVar[str] = "internal_error"


class ImageError(ImgclsError, ValueError):
    """The image that was handed in cannot be used."""

    code = "image_error"


class ImageUndecodableError(ImageError):
    """The bytes are not an image that can be decoded.

    Args:
        reason: what was found, as the end of the sentence "The image cannot be decoded: …".
    """

    code = "image_undecodable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The image cannot be decoded: {reason}.")


class ImageTooLargeError(ImageError):
    """The image has more bytes or pixels than the limits allow.

    Args:
        actual: what the image has.
        limit: what is allowed, in the same unit.
        unit: "bytes" or "pixels".
    """

    code = "image_too_large"

    def __init__(self, *, actual: int, limit: int, unit: str) -> None:
        self.actual, self.limit, self.unit = actual, limit, unit
        super().__init__(f"The image has {actual:,} {unit}; at most {limit:,} are allowed. Send a smaller image.")


class ImageTooCostlyError(ImageError):
    """Decoding the image takes more time or memory than is allowed.

    Args:
        limit: what it would exceed, such as "1 s of a processor".
    """

    code = "image_too_costly"

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            f"Decoding the image takes more than {limit}. Save it again as a plain JPEG or PNG, or send a smaller one."
        )


class ArtifactError(ImgclsError):
    """The .onnx file cannot be used as an imgcls artifact."""

    code = "artifact_error"


class ArtifactNotFoundError(ArtifactError, FileNotFoundError):
    """There is no file at the given path."""

    code = "artifact_not_found"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"There is no artifact at {path!r}. Make one with `imgcls-convert --output {path}`.")

    def __str__(self) -> str:
        # FileNotFoundError formats (errno, text) pairs; this error is one sentence.
        return str(self.args[0])


class ArtifactUnreadableError(ArtifactError):
    """ONNX Runtime cannot load the file."""

    code = "artifact_unreadable"

    def __init__(self, path: str, cause: str) -> None:
        self.path = path
        super().__init__(
            f"{path!r} is not a model that ONNX Runtime can load: {cause.rstrip('.')}. "
            "Name an artifact that `imgcls-convert` has written, or copy it anew where it was cut off."
        )


class ArtifactMetadataError(ArtifactError):
    """The imgcls.* metadata is missing or does not say what it must."""

    code = "artifact_metadata"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path!r} is not an imgcls artifact: {reason}. Write one with `imgcls-convert`.")


class ArtifactSchemaError(ArtifactError):
    """The artifact was written for another schema of the metadata."""

    code = "artifact_schema"

    def __init__(self, path: str, *, actual: int, supported: int) -> None:
        self.path, self.actual, self.supported = path, actual, supported
        super().__init__(
            f"{path!r} has artifact schema {actual}; this imgcls-core reads schema {supported}. "
            "Upgrade imgcls-core, or convert the model again with the installed `imgcls-convert`."
        )


class ArtifactSignatureError(ArtifactError):
    """Inputs or outputs of the graph differ from the contract."""

    code = "artifact_signature"

    def __init__(self, path: str, *, actual: str, expected: str) -> None:
        self.path = path
        super().__init__(
            f"{path!r} has {actual}; an artifact has {expected}. `imgcls-convert {path} --output FILE` makes one of "
            "an ONNX classifier of another tool."
        )


class UnsafeGraphError(ArtifactError):
    """The graph holds what no artifact has, and what could run for ever or read other files.

    Args:
        path: the file.
        reason: what it does or has, as the end of the sentence "Its graph …".
    """

    code = "unsafe_graph"

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path!r} is not loaded: its graph {reason}. An artifact has ONNX's own operators, no loops, and all its "
            "tensors in one file; write it with `imgcls-convert`."
        )


class SealBrokenError(ArtifactError):
    """The file was changed after it was sealed.

    Args:
        path: the file.
        changes: which parts, and what happened to them.
    """

    code = "seal_broken"

    def __init__(self, path: str, changes: str) -> None:
        self.path, self.changes = path, changes
        super().__init__(
            f"{path!r} was changed after it was sealed ({changes}). Take the original, or convert the model again."
        )


class TrustError(ArtifactError):
    """No trusted key has signed the artifact, or a key or signature cannot be used."""

    code = "not_trusted"


class InvalidAnswerError(ArtifactError):
    """The artifact answers with numbers that are no probabilities: the graph is not the one that was converted."""

    code = "invalid_answer"

    def __init__(self, path: str, *, image: str, reason: str, explanation: str | None = None) -> None:
        self.path = path
        why = f" {explanation[0].upper()}{explanation[1:]}." if explanation else ""
        super().__init__(
            f"{path!r} answers {image} with {reason}; an artifact's rows are finite and sum to 1.{why} "
            "Convert the model again, or serve it on another provider."
        )


class GoldenMismatchError(ImgclsError):
    """The golden answers are not reproduced on this provider.

    Args:
        case: name of the golden case that differs most.
        max_abs_diff: its largest |Δp| against PyTorch.
        tolerance: what is allowed.
        expected_class_id: PyTorch's top-1.
        actual_class_id: top-1 here.
        provider: the execution provider that answered.
        explanation: the fault whose answers these are, where one fits: "3 of 4 answers are those of: …".
    """

    code = "golden_mismatch"

    def __init__(
        self,
        *,
        case: str,
        max_abs_diff: float,
        tolerance: float,
        expected_class_id: int,
        actual_class_id: int,
        provider: str,
        explanation: str | None = None,
    ) -> None:
        self.case, self.max_abs_diff, self.tolerance = case, max_abs_diff, tolerance
        self.expected_class_id, self.actual_class_id = expected_class_id, actual_class_id
        self.explanation = explanation
        super().__init__(
            f"Golden case {case!r} differs from its recorded answer on provider {provider!r}: max |Δp| = "
            f"{max_abs_diff:.1e}, tolerance {tolerance:.1e}; top-1 is class {actual_class_id}, "
            f"{expected_class_id} is recorded. {f'{explanation}. ' if explanation else ''}"
            "Serve the artifact on another provider or convert it again."
        )


class ProviderUnavailableError(ImgclsError):
    """The execution provider that was asked for cannot be used here."""

    code = "provider_unavailable"

    def __init__(self, requested: str, reason: str) -> None:
        self.requested, self.reason = requested, reason
        super().__init__(f"Provider {requested!r} was asked for and cannot be used: {reason}.")


class RuntimeMissingError(ImgclsError):
    """ONNX Runtime is not installed: which of its two builds is whoever installs imgcls's to say."""

    code = "runtime_missing"

    def __init__(self) -> None:
        super().__init__(
            "ONNX Runtime is not installed. `pip install 'imgcls-core[cpu]'` brings it for CPUs, `'imgcls-core[gpu]'` "
            "for NVIDIA GPUs too; an environment takes one of the two."
        )


class InferenceError(ImgclsError, RuntimeError):
    """ONNX Runtime failed on a batch that has the right shape and type."""

    code = "inference_failed"

    def __init__(self, cause: str) -> None:
        super().__init__(f"Inference failed: {cause}")
