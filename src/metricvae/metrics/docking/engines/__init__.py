"""Programs of others that search for poses, behind one interface; the poses are ranked and checked as our own."""
