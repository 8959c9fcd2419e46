"""What to annotate next: how much a bundle's networks doubt each scan, and the app that MONAI Label serves."""
