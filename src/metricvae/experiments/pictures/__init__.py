"""Every picture the package draws, as PNG bytes. The only modules that import matplotlib, and only when they draw."""
