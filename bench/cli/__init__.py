"""What the commands share: settings, flags, progress, output, and how they end."""
