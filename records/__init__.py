"""Where what this ComfyUI makes is recorded, and where what it loads comes from: here, or at a hub."""
