"""What a person should know about a folder of data before training on it or judging by it."""
