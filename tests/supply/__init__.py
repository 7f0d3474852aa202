"""What is installed: the lock, and its licences."""
