"""What `dev.py` is made of: environments, real ComfyUI servers, the demo. Standard library only."""
