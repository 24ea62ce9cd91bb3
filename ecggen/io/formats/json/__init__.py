"""JSON: plain lists of numbers, FHIR's Observation and phone exports."""
