"""The metric `pocket-fit`: how well a molecule fills a pocket."""
