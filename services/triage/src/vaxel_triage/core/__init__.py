"""What a contact is: pure functions of the interaction and the deployment."""
