"""Generators as graphs of fixed shape that can be exported to ONNX."""
