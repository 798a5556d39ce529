"""Networks: `families`, a file each, and what it takes to build any of them."""
