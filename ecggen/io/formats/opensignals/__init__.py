"""OpenSignals (BITalino, biosignalsplux, RespiBAN): conversion of the sensors, and the text format."""
