"""ONNX files of networks with their pre- and post-processing, for devices without Python."""
