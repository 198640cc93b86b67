"""May I, and can you tell: rights, safety, watermark, credentials (C2PA), audit log."""
