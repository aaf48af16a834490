"""What the commands share: settings, progress, how they end."""
