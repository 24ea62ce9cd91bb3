"""JSON: plain lists of numbers, FHIR Observations and exports of phones."""
