"""What CARLA programs call most and spawn most, one check each; ``test_conformance.py`` runs them."""
