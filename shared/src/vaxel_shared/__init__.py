"""What every Vaxel service shares; it knows no service."""
