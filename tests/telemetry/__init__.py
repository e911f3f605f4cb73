"""What all services leave behind, and how it comes together again."""
