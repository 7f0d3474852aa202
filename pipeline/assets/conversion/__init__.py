"""What is made of fetched files before they are used: safetensors of pickled weights, a Chinese encoder of another."""
