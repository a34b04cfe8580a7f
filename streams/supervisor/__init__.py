"""The supervisor: keeps one FFmpeg alive per broadcast. No Django in here."""
