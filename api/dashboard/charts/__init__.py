"""Charts as inline SVG: positions in percent of the box, so that text keeps its size at any width."""
