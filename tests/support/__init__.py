"""What tests share: real servers, and how to ask them things."""
