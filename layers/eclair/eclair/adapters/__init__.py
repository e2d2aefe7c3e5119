"""The only modules that speak to AWS and to the network."""
