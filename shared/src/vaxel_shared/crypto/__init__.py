"""Keys and what is signed or hidden with them."""
