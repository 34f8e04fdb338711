"""The probe: finds out with a real token what Ximilar's documents leave open."""
