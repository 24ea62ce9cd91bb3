"""DICOM waveforms: elements, reading and writing."""
