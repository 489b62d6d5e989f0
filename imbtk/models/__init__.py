"""Networks by name: built-in ones, torchvision's, a user's own."""
