"""The overview: health, lights, headline figures, charts, proof."""
