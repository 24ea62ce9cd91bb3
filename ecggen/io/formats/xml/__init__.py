"""Clinical XML: HL7 aECG, GE MUSE and Philips Sierra."""
