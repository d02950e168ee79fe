"""Answers in which the application has no part, as bytes; and what stands for them where uvicorn looks for its own."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from imgcls_contract import PROBLEM_MEDIA_TYPE, Problem


def whole_answer(problem: Problem, document: bytes, *headers: str) -> bytes:
    """Gives head and body of a problem; `headers`, each `name: value`, come after its type and length."""
    status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"
    head = (status, f"content-type: {PROBLEM_MEDIA_TYPE}", f"content-length: {len(document)}", *headers, "", "")
    return "\r\n".join(head).encode() + document


class AnsweredCycle:
    """Stands for uvicorn's `RequestResponseCycle` of a request that was answered by its head."""

    response_started = response_complete = more_body = True

    def __init__(self) -> None:
        self.message_event = asyncio.Event()
