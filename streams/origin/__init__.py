"""The origin: public playlists composed from run folders. No Django models in here."""
