"""Reading the sets of a report: find and open files, select records, and bring all sets to one signal format."""
