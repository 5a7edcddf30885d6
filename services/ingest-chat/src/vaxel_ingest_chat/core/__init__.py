"""What a chat says and means: pure functions of frames, tokens and interactions."""
