"""The acquirer, asked by the official client of the API that it speaks."""
