"""Ladders: what the source is -> which renditions -> which FFmpeg arguments. No Django in here."""
