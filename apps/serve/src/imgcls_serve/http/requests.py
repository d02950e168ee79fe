"""What a request may say besides its image: query and JSON, as pydantic models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from imgcls_serve.errors import InvalidParameterError


class PredictQuery(BaseModel):
    """What may be asked of an answer."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=False)

    top_k: Annotated[
        int,
        Field(ge=1, description="How many classes to name, best first; the default is no more than the model has."),
    ] = 5
    probabilities: Annotated[bool, Field(description="Whether to give the probability of every class.")] = False
    model: Annotated[str | None, Field(description="Which model answers; the default one without it.")] = None


_DEFAULT_QUERY = PredictQuery()


class PredictJson(BaseModel):
    """An image in JSON: itself, or where it is."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["image_base64"]}, {"required": ["image_url"]}]}
    )

    image_base64: Annotated[
        str | SkipJsonSchema[None], Field(description="The encoded image (JPEG, PNG, WebP, BMP, GIF or TIFF).")
    ] = None
    image_url: Annotated[
        str | SkipJsonSchema[None], Field(description="An http or https URL, where `IMGCLS_ALLOW_URLS` is on.")
    ] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> PredictJson:
        if (self.image_base64 is None) == (self.image_url is None):
            raise PydanticCustomError("one_of", "either `image_base64` or `image_url` is needed")
        return self


class BatchJson(BaseModel):
    """A request body with several images as JSON."""

    images: Annotated[list[PredictJson], Field(min_length=1)]


def read_query(request: Request) -> PredictQuery:
    """Reads what is asked of an answer.

    Raises:
        InvalidParameterError: names the parameters that are wrong.
    """
    if not request.scope["query_string"]:
        return _DEFAULT_QUERY
    try:
        return PredictQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise InvalidParameterError(" ".join(validation_sentence("query", fault) for fault in error.errors())) from None


def validation_sentence(kind: str, fault: ErrorDetails) -> str:
    """Says what is wrong with a parameter: its name, what was found, what is allowed."""
    name = ".".join(str(part) for part in fault["loc"])
    found = fault["input"]
    return f"`{name}`{f' is {found[:80]!r}' if isinstance(found, str) else ''}: {fault['msg']} ({kind})."
