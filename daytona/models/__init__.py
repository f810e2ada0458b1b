"""The wire as values: one file per noun, and how they are decoded and encoded."""

from daytona.models._base import Decoder, Model, Number, OpenEnum, Request, decoder, encode

__all__ = ["Decoder", "Model", "Number", "OpenEnum", "Request", "decoder", "encode"]
