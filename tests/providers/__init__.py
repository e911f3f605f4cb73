"""The providers of the world outside, as their customers see them."""
