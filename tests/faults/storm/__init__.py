"""A storm: random faults against the whole system while its catalogue changes, then calm, then a verdict."""
