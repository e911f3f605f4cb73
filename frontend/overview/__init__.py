"""The overview: lights, figures, orders, charts, proof."""
