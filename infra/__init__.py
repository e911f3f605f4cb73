"""How the shop is deployed: the image, the migrations, and what the containers run with."""
