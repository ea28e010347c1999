"""The methods of the comparison: a table of them, and the denoisers and codecs that they are made of."""

from ncodec.bench.methods.method import METHODS, Method, Output, choose

__all__ = ["METHODS", "Method", "Output", "choose"]
