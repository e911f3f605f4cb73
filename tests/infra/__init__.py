"""What the shop is deployed with, compared with the shop."""
