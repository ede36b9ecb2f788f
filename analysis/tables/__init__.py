"""Tables collected elsewhere: read, their raters and points found, and each analysis in chapters."""
