"""Functions that clients call, by name, and how their answers are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Answer", "Method", "RpcError", "RpcGroup"]


class RpcError(Exception):
    """The text goes to the client as the call's error."""


class Answer(Enum):
    """What a method gives back."""

    VALUE = "value"
    NOTHING = "nothing"
    RAW = "raw"  # no wrapping: batches


@dataclass(frozen=True)
class Method:
    """A function ``call(host, *arguments)`` of the protocol.

    ``ticks`` says from its arguments whether time moves; ``restarts``, that the client subscribes anew after it.
    """

    name: str
    answer: Answer
    call: Callable[..., Any]
    ticks: Callable[[list[Any]], bool] | None = None
    restarts: bool = False

    def succeeded(self, value: Any) -> Any:
        """The result field of a success."""
        if self.answer is Answer.VALUE:
            return [[1, value]]
        return [[False]] if self.answer is Answer.NOTHING else value

    def failed(self, text: str) -> Any:
        """The result field of an error that belongs to the caller."""
        if self.answer is Answer.RAW:
            return []
        return [[True if self.answer is Answer.NOTHING else 0, [text]]]


class RpcGroup:
    """Collects the methods of one module."""

    def __init__(self) -> None:
        self.methods: dict[str, Method] = {}

    def value(self, name: str, ticks: Callable[[list[Any]], bool] | None = None) -> Callable[..., Any]:
        """Register a function whose value the client waits for."""
        return self._register(name, Answer.VALUE, ticks)

    def nothing(self, *names: str, restarts: bool = False) -> Callable[..., Any]:
        """Register a function without a value, under one or more names."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            for name in names:
                self.methods[name] = Method(name, Answer.NOTHING, function, restarts=restarts)
            return function

        return register

    def raw(self, name: str, ticks: Callable[[list[Any]], bool] | None = None) -> Callable[..., Any]:
        """Register a function whose value is sent as it is."""
        return self._register(name, Answer.RAW, ticks)

    def _register(self, name: str, answer: Answer, ticks: Callable[[list[Any]], bool] | None) -> Callable[..., Any]:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.methods[name] = Method(name, answer, function, ticks)
            return function

        return register
